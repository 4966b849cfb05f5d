# THUMOS14: 20 sports actions; two-stream I3D features.
# Prepare with: python tools/data/thumos14/prepare.py SOURCE
data_root = 'data/thumos14/'
ann_file = 'annotations.json'
feature_file = '{video}.npy'
feat_dim = 2048  # RGB 1024, flow 1024
num_classes = 20
grid = dict(feat_stride=4, clip_len=16)
max_len = 2304
crop_ratio = (0.9, 1.0)
min_overlap = 0.5  # the part of an action that a crop must keep
train_subset, test_subset = 'training', 'test'
train_batch_size = 2
test_batch_size = 1
num_workers = 4
# video_test_0000270 is labelled past its end; evaluations on 211 videos leave it out.
exclude_videos = []
tiou_thresholds = [0.3, 0.4, 0.5, 0.6, 0.7]

dataset_type = 'TALDataset'
load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
train_pipeline = [
    load_feature,
    dict(type='RandomTruncate', max_len=max_len, crop_ratio=crop_ratio, min_overlap=min_overlap),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]

train_dataloader = dict(
    batch_size=train_batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=ann_file,
        subset=train_subset,
        feature_file=feature_file,
        grid=grid,
        filter_cfg=dict(filter_empty=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=test_batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file=ann_file,
        subset=test_subset,
        feature_file=feature_file,
        grid=grid,
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type='TALMetric', tiou_thresholds=tiou_thresholds, exclude_videos=exclude_videos
)
test_evaluator = val_evaluator
