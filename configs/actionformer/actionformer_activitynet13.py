# The ActionFormer-style baseline on ActivityNet-1.3. The model finds actions of any class; their
# classes come from a classifier of whole videos, by name, when the detections are scored.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/activitynet13.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

train_pipeline = [*_base_.train_pipeline[:-1], dict(type='PackTALInputs', class_agnostic=True)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(
    score_fusion=dict(
        type='VideoScoreFusion', path=_base_.data_root + 'cuhk_val_simp_share.json', top_k=2
    )
)
test_evaluator = val_evaluator

model = dict(
    projection=dict(
        in_channels=_base_.feat_dim,
        out_channels=256,
        dropout=0.2,
        position_len=_base_.length,
    ),
    neck=dict(window_size=[7, 7, 7, 7, 7, None]),
    head=dict(
        num_classes=1,
        loss_cls=dict(label_smoothing=0.1),
        loss_loc=dict(loss_weight=2.0),
        loss_normalizer=200,
    ),
    post_processor=dict(min_duration=0.001, sigma=0.75, voting_threshold=0.9, max_per_video=100),
)

train_cfg = dict(max_epochs=15, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=_base_.train_batch_size)
