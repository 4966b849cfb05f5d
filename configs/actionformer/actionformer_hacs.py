# The ActionFormer-style baseline on HACS. As on ActivityNet, the model finds actions of any class;
# their classes come from a classifier of whole videos when the detections are scored.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/hacs.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

train_pipeline = [*_base_.train_pipeline[:-1], dict(type='PackTALInputs', class_agnostic=True)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(
    score_fusion=dict(type='VideoScoreFusion', path=_base_.data_root + 'video_scores.json', top_k=2)
)
test_evaluator = val_evaluator

model = dict(
    projection=dict(in_channels=_base_.feat_dim, dropout=0.2),
    head=dict(num_classes=1, loss_cls=dict(label_smoothing=0.1), loss_normalizer=400),
    post_processor=dict(sigma=0.75, voting_threshold=0.9, max_per_video=100),
)

train_cfg = dict(max_epochs=15, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
auto_scale_lr = dict(base_batch_size=_base_.train_batch_size)
