# mmaction2's BSN on HAPT, last of three steps: PEM, the quality of each proposal of PGM. What comes
# before it: README.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/hapt.py',
    '../_base_/schedules/adamw_cosine.py',
]
__import__('asl_mmaction.baselines')
custom_imports = dict(imports=['asl_mmaction', 'asl_mmaction.baselines'])

model = dict(
    type='BatchedPEM',
    localizer=dict(
        type='SampledPEM',
        pem_feat_dim=32,
        pem_hidden_dim=256,
        pem_u_ratio_m=1,
        pem_u_ratio_l=2,
        pem_high_temporal_iou_threshold=0.6,
        pem_low_temporal_iou_threshold=0.2,
        # SoftNMS is the post-processor's
        soft_nms_alpha=0.75,
        soft_nms_low_threshold=0.65,
        soft_nms_high_threshold=0.9,
        post_process_top_k=100,
    ),
    post_processor=dict(
        type='SoftNMSPostProcessor',
        # A score is a product of three: nothing is too low
        pre_nms_thresh=0.0,
        pre_nms_topk=5000,
        method='gaussian',
        sigma=0.75,
        min_score=0.0,
        max_per_video=200,
    ),
    train_top_k=2000,
)

# Pairs of boundaries within the window that TEM was trained on: all of them, at most 3486
pgm = dict(window=84, overlap=0.75, peak_threshold=0.5, top_k=5000)
proposals_dir = 'work_dirs/bsn_pem_hapt/pgm'
pipeline = [
    # Two times, two scores and 32 samples of the actionness
    dict(type='LoadFeature', feat_dim=36),
    dict(type='PackTALInputs'),
]
settings = dict(
    data_root='',
    ann_file=_base_.data_root + _base_.ann_file,
    data_prefix=dict(feature=proposals_dir),
    feature_file='{video}.npy',
    pipeline=pipeline,
)
train_dataloader = dict(batch_size=4, dataset=settings)
val_dataloader = dict(dataset=settings)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=40, val_interval=40)
optim_wrapper = dict(optimizer=dict(lr=1e-2))
val_evaluator = dict(_delete_=True, type='AverageRecallMetric', numbers=[10, 20, 50, 100, 200])
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(save_best='AUC'))
