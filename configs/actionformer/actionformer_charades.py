# The ActionFormer-style baseline on Charades. Its actions overlap: a point learns all that happens
# at it.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/charades.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

strides = [1, 2, 4, 8, 16, 32, 64]
model = dict(
    data_preprocessor=dict(size_divisor=strides[-1]),
    projection=dict(in_channels=_base_.feat_dim, dropout=0.3, position_len=_base_.max_len),
    neck=dict(num_levels=len(strides), window_size=None),
    head=dict(
        num_classes=_base_.num_classes,
        strides=strides,
        regress_ranges=[(0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 128), (128, 10000)],
        assigner=dict(match='all'),
    ),
    post_processor=dict(sigma=0.3, max_per_video=1000),
)

train_cfg = dict(max_epochs=15, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
# The cosine is that of 20 epochs, of which these are the first.
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=20)]
auto_scale_lr = dict(base_batch_size=_base_.train_batch_size)
