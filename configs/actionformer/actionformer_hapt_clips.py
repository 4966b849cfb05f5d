# The ActionFormer-style baseline on clips of HAPT: what their full annotation is worth.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/hapt_clips.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

# About as many steps in a batch as two recordings have; clips without an action are background.
train_dataloader = dict(batch_size=16, dataset=dict(filter_cfg=None))
val_dataloader = dict(batch_size=16)
test_dataloader = val_dataloader

model = dict(
    projection=dict(in_channels=_base_.feat_dim, out_channels=128),
    neck=dict(window_size=9),
    head=dict(num_classes=_base_.num_classes, loss_cls=dict(label_smoothing=0.1)),
    post_processor=dict(sigma=0.4),
)

train_cfg = dict(max_epochs=30, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=16)
