# The baseline: a transformer pyramid with temporal attention alone, one-stage and anchor-free.
# A child sets the sizes of its data, projection.in_channels and head.num_classes, and the width of
# the model, projection.out_channels, which neck and head take over.
strides = [1, 2, 4, 8, 16, 32]

model = dict(
    type='DenseLocalizer',
    data_preprocessor=dict(type='FeaturePreprocessor', size_divisor=strides[-1]),
    projection=dict(type='ConvProjection', in_channels=2048, out_channels=512),
    neck=dict(
        type='TransformerPyramid',
        num_heads=4,
        num_levels=len(strides),
        stem_depth=2,
        window_size=19,
        drop_path=0.1,
    ),
    head=dict(
        type='PointHead',
        num_classes=20,
        strides=strides,
        regress_ranges=[(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10000)],
        assigner=dict(center_sampling_radius=1.5),
        loss_cls=dict(type='SigmoidFocalLoss'),
        loss_loc=dict(type='SegmentDIoULoss'),
        loss_normalizer=100,
    ),
    post_processor=dict(
        type='SoftNMSPostProcessor',
        pre_nms_thresh=0.001,
        pre_nms_topk=2000,
        min_duration=0.05,
        method='gaussian',
        sigma=0.5,
        min_score=0.001,
        max_per_video=200,
    ),
)
