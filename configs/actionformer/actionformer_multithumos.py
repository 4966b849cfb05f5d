# The ActionFormer-style baseline on MultiTHUMOS. A test video holds 95 actions on average, many at
# the same time: thousands of detections are kept, and a point learns all that happens at it.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/multithumos.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

model = dict(
    projection=dict(in_channels=_base_.feat_dim, num_convs=3),
    neck=dict(stem_depth=0),
    head=dict(num_classes=_base_.num_classes, assigner=dict(match='all')),
    post_processor=dict(pre_nms_topk=8000, max_per_video=8000),
)

train_cfg = dict(max_epochs=45, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
# The cosine is that of 65 epochs, of which these are the first.
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=65)]
