# mmaction2's BMN on ActivityNet-1.3, in its own setting: every video resized to 100 steps.
_base_ = ['../_base_/default_runtime.py', '../_base_/datasets/activitynet13.py']
__import__('asl_mmaction.baselines')
custom_imports = dict(imports=['asl_mmaction', 'asl_mmaction.baselines'])

window = 100
model = dict(
    type='WindowedBMN',
    localizer=dict(
        type='BMN',
        temporal_dim=window,
        boundary_ratio=0.5,
        num_samples=32,
        num_samples_per_bin=3,
        feat_dim=_base_.feat_dim,
        loss_cls=dict(type='FiniteBMNLoss'),
        # SoftNMS is the post-processor's
        soft_nms_alpha=0.4,
        soft_nms_low_threshold=0.5,
        soft_nms_high_threshold=0.9,
        post_process_top_k=100,
    ),
    post_processor=dict(
        type='SoftNMSPostProcessor',
        # A score is a product of four: nothing is too low
        pre_nms_thresh=0.0,
        pre_nms_topk=5000,
        method='gaussian',
        sigma=0.4,
        min_score=0.0,
        max_per_video=100,
    ),
)

pipeline = [
    _base_.load_feature,
    dict(type='ResizeFeature', length=window),
    dict(type='PackTALInputs'),
]
train_dataloader = dict(batch_size=8, drop_last=True, dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=9, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=40, norm_type=2),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[7], gamma=0.1)]
auto_scale_lr = dict(base_batch_size=16)

# mAP needs classes, from a classifier of whole videos: README
val_evaluator = dict(_delete_=True, type='AverageRecallMetric')
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='AUC'), ema=None)
