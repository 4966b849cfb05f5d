# mmaction2's BSN on ActivityNet-1.3, last of three steps: PEM, the quality of each proposal of PGM.
# What comes before it: README.
_base_ = ['bmn_activitynet13.py']

model = dict(
    _delete_=True,
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
        max_per_video=100,
    ),
    train_top_k=500,
)

pgm = dict(window=_base_.window, overlap=0.5, peak_threshold=0.5, top_k=1000)
proposals_dir = 'work_dirs/bsn_pem_activitynet13/pgm'
settings = dict(
    data_root='',
    ann_file=_base_.data_root + _base_.ann_file,
    data_prefix=dict(feature=proposals_dir),
    feature_file='{video}.npy',
    # Two times, two scores and 32 samples of the actionness
    pipeline=[dict(type='LoadFeature', feat_dim=36), dict(type='PackTALInputs')],
)
train_dataloader = dict(batch_size=16, drop_last=False, dataset=settings)
val_dataloader = dict(dataset=settings)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=20)
optim_wrapper = dict(optimizer=dict(lr=1e-2, weight_decay=1e-5))
param_scheduler = [dict(type='MultiStepLR', milestones=[10], gamma=0.1)]
