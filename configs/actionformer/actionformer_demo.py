# The ActionFormer-style baseline on the synthetic demo data.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/demo.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

model = dict(
    projection=dict(in_channels=_base_.feat_dim, out_channels=64),
    neck=dict(window_size=9),
    head=dict(
        num_classes=_base_.num_classes,
        # All of an action is positive, so that the whole course of its sensitivity is learned.
        assigner=dict(center_sampling_radius=None),
    ),
)

train_cfg = dict(max_epochs=15, val_interval=15)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
auto_scale_lr = dict(base_batch_size=_base_.train_batch_size)
