# The ActionFormer-style baseline on Ego4D Moments Queries: SlowFast, Omnivore and EgoVLP features,
# each brought to a width of its own. Annotators' actions overlap: a point learns all of them.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/ego4d.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

strides = [1, 2, 4, 8, 16, 32, 64, 128, 256]
model = dict(
    data_preprocessor=dict(size_divisor=strides[-1]),
    projection=dict(
        in_channels=[source['feat_dim'] for source in _base_.sources],
        source_channels=[256, 384, 384],
        out_channels=1024,
        dropout=0.2,
        position_len=_base_.max_len,
    ),
    neck=dict(
        num_heads=16,
        num_levels=len(strides),
        window_size=[9, 9, 9, 9, 9, 9, None, None, None],
        dropout=0.1,
    ),
    head=dict(
        num_classes=_base_.num_classes,
        strides=strides,
        # Overlapping: an action is found on two levels.
        regress_ranges=[
            (0, 4),
            (2, 8),
            (4, 16),
            (8, 32),
            (16, 64),
            (32, 128),
            (64, 256),
            (128, 512),
            (256, 10000),
        ],
        assigner=dict(match='all'),
    ),
    post_processor=dict(pre_nms_topk=5000, sigma=2.0, max_per_video=2000),
)

train_cfg = dict(max_epochs=20, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
# The cosine is that of 25 epochs, of which these are the first.
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=25)]
