# The TriDet-style baseline on McGill Billboard.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/billboard.py',
    '../_base_/models/tridet.py',
    '../_base_/schedules/adamw_cosine.py',
]

# Eight levels: a tenth of the actions, most of the sections, last longer than 64 steps.
strides = [1, 2, 4, 8, 16, 32, 64, 128]
regress_ranges = [(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 128), (128, 256), (256, 10000)]

model = dict(
    data_preprocessor=dict(size_divisor=strides[-1]),
    projection=dict(in_channels=_base_.feat_dim, out_channels=128),
    # The stem looks at single steps only, as in the released code.
    neck=dict(
        num_levels=len(strides),
        window_size=[1, 5, 5, 5, 5, 5, 5, 5],
        window_scale=2,
        mlp_ratio=2.0,
    ),
    head=dict(
        num_classes=_base_.num_classes,
        strides=strides,
        regress_ranges=regress_ranges,
        assigner=dict(match='all'),
        loss_cls=dict(label_smoothing=0.1),
        iou_power=0.25,
    ),
    post_processor=dict(sigma=0.7, pre_nms_topk=5000, max_per_video=4000, voting_threshold=0.6),
)

train_cfg = dict(max_epochs=15, val_interval=15)  # of 75 steps
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=2),
    dict(_base_.param_scheduler[1], begin=2),
]
