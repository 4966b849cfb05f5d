# The ActionFormer-style baseline on THUMOS14.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/thumos14.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

model = dict(
    projection=dict(in_channels=_base_.feat_dim, dropout=0.2),
    head=dict(num_classes=_base_.num_classes),
    post_processor=dict(max_per_video=2000),
)

train_cfg = dict(max_epochs=35, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
