# Ego4D Moments Queries v1: 110 activities in clips; SlowFast, Omnivore and EgoVLP features.
# Prepare with: python tools/data/ego4d/prepare.py SOURCE
data_root = 'data/ego4d/'
ann_file = 'annotations.json'
feature_file = ['slowfast/{video}.pt', 'omnivore/{video}.pt', 'egovlp/{video}.pt']
sources = [dict(feat_dim=2304), dict(feat_dim=1536), dict(feat_dim=256)]
feat_dim = 4096  # of all sources
num_classes = 110
grid = dict(fps=30, feat_stride=16, clip_len=32)
max_len = 1024
crop_ratio = (0.9, 1.0)
min_overlap = 0.3  # the part of an action that a crop must keep
train_subset, test_subset = 'training', 'validation'
train_batch_size = 2
test_batch_size = 1
num_workers = 4
tiou_thresholds = [0.1, 0.2, 0.3, 0.4, 0.5]
recall_multiples = [1, 5]  # Recall@kx at tIoU 0.5

dataset_type = 'TALDataset'
load_feature = dict(type='LoadFeature', feat_dim=feat_dim, sources=sources)
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
    type='TALMetric', tiou_thresholds=tiou_thresholds, recall_multiples=recall_multiples
)
test_evaluator = val_evaluator
