# Ego4D Moments Queries v1: 110 activities in clips; SlowFast, Omnivore and EgoVLP features.
# Prepare with: python tools/data/ego4d/prepare.py SOURCE
_base_ = ['feature_dataset.py']

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
tiou_thresholds = [0.1, 0.2, 0.3, 0.4, 0.5]
recall_multiples = [1, 5]  # Recall@kx at tIoU 0.5

load_feature = dict(type='LoadFeature', feat_dim=feat_dim, sources=sources)
train_pipeline = [
    load_feature,
    dict(type='RandomTruncate', max_len=max_len, crop_ratio=crop_ratio, min_overlap=min_overlap),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]

data = dict(data_root=data_root, ann_file=ann_file, feature_file=feature_file, grid=grid)
train_dataloader = dict(
    batch_size=train_batch_size,
    dataset=dict(subset=train_subset, pipeline=train_pipeline, **data),
)
val_dataloader = dict(
    batch_size=test_batch_size,
    dataset=dict(subset=test_subset, pipeline=test_pipeline, **data),
)
test_dataloader = val_dataloader

val_evaluator = dict(tiou_thresholds=tiou_thresholds, recall_multiples=recall_multiples)
test_evaluator = val_evaluator
