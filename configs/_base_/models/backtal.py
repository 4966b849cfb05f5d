# BackTAL on THUMOS14. Without affinity and the losses of clicks (None) it is BaS-Net.
# A child sets the sizes of its data, head.in_channels and head.num_classes.
model = dict(
    type='WeakLocalizer',
    data_preprocessor=dict(type='WeakPreprocessor'),
    head=dict(
        type='ActivationHead',
        num_classes=20,
        in_channels=2048,
        channels=2048,
        filter_channels=512,
        topk_ratio=0.125,  # of the steps of a video, whose mean is its score
        dropout=0.7,
        sparsity_weight=0.075,  # the paper's 1e-4 for each of 750 steps
        affinity=dict(hidden_channels=512, channels=32),
        loss_click=dict(type='ClickLoss'),
        loss_separation=dict(type='ScoreSeparationLoss', loss_weight=1.0),
        loss_affinity=dict(type='AffinityLoss', loss_weight=0.8),
    ),
    post_processor=dict(
        type='ActivationPostProcessor',
        class_threshold=0.25,
        thresholds=[0.0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225],
        outer_ratio=0.25,
        video_score_weight=0.2,
        iou_threshold=0.55,
    ),
)
