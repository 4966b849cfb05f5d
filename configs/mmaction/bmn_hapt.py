# mmaction2's BMN on HAPT: in windows of 84 steps, 42 seconds, for a recording is far too long to be
# squeezed into one; no action is longer than 41 seconds.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/hapt.py',
    '../_base_/schedules/adamw_cosine.py',
]
__import__('asl_mmaction.baselines')
custom_imports = dict(imports=['asl_mmaction', 'asl_mmaction.baselines'])

window = 84
model = dict(
    type='WindowedBMN',
    localizer=dict(
        type='BMN',
        temporal_dim=window,
        boundary_ratio=0.5,
        num_samples=8,
        num_samples_per_bin=3,
        feat_dim=_base_.feat_dim,
        # A quarter of the widths and samples for ActivityNet: 180 times less work in the 3D layer
        hidden_dim_1d=64,
        hidden_dim_2d=32,
        hidden_dim_3d=64,
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
        max_per_video=200,
    ),
    window_overlap=0.75,
)

train_pipeline = [
    _base_.load_feature,
    dict(type='RandomTruncate', max_len=window, crop_ratio=None, min_overlap=0.75),
    dict(type='PackTALInputs'),
]
train_dataset = dict(
    type=_base_.dataset_type,
    data_root=_base_.data_root,
    ann_file=_base_.ann_file,
    subset=_base_.train_subset,
    feature_file=_base_.feature_file,
    grid=_base_.grid,
    filter_cfg=dict(filter_empty=True),
    pipeline=train_pipeline,
)
# An epoch is half of the recordings' length
train_dataloader = dict(
    batch_size=8,
    dataset=dict(_delete_=True, type='RepeatDataset', times=4, dataset=train_dataset),
)
train_cfg = dict(max_epochs=20, val_interval=20)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, end=40),
    dict(type='CosineAnnealingLR', eta_min=1e-8, convert_to_iter_based=True),
]

# Twenty actions in a recording
val_evaluator = dict(_delete_=True, type='AverageRecallMetric', numbers=[10, 20, 50, 100, 200])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='AUC'))
