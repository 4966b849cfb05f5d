# The ActionFormer-style baseline on McGill Billboard. A song holds 96 actions on average, nearly
# all of them at the same time as others: a point learns all that happens at it.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/billboard.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

model = dict(
    projection=dict(in_channels=_base_.feat_dim, out_channels=128),
    neck=dict(window_size=9),
    head=dict(
        num_classes=_base_.num_classes,
        assigner=dict(match='all'),
        loss_cls=dict(label_smoothing=0.1),
    ),
    post_processor=dict(sigma=0.7, pre_nms_topk=5000, max_per_video=4000, voting_threshold=0.6),
)

train_cfg = dict(max_epochs=8, val_interval=8)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
# An epoch is 75 steps; HAPT warms up for 105.
param_scheduler = [
    dict(_base_.param_scheduler[0], end=1),
    dict(_base_.param_scheduler[1], begin=1),
]
