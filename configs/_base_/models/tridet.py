# The TriDet-style baseline: an SGP pyramid and a trident head in place of attention and distances.
# A child sets the sizes of its data, projection.in_channels and head.num_classes, and the width of
# the model, projection.out_channels, which neck and head take over.
strides = [1, 2, 4, 8, 16, 32]

model = dict(
    type='DenseLocalizer',
    data_preprocessor=dict(type='FeaturePreprocessor', size_divisor=strides[-1]),
    projection=dict(type='ConvProjection', in_channels=2048, out_channels=512),
    neck=dict(
        type='SGPPyramid',
        num_levels=len(strides),
        stem_depth=2,
        window_size=1,
        window_scale=5,
        mlp_ratio=1.5,
        drop_path=0.1,
    ),
    head=dict(
        type='TridentHead',
        num_classes=20,
        num_bins=16,
        strides=strides,
        regress_ranges=[(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10000)],
        assigner=dict(center_sampling_radius=1.5),
        loss_cls=dict(type='SigmoidFocalLoss'),
        loss_loc=dict(type='SegmentDIoULoss'),
        iou_power=0.2,
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
