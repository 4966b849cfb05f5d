# EPIC-Kitchens-100, verbs (97); SlowFast features.
# Prepare with: python tools/data/epic100/prepare.py SOURCE
_base_ = ['feature_dataset.py']

data_root = 'data/epic100/'
ann_file = 'annotations_verb.json'
feature_file = '{video}.npz'
feat_dim = 2304
num_classes = 97
grid = dict(fps=30, feat_stride=16, clip_len=32)
max_len = 2304
crop_ratio = (0.9, 1.0)
min_overlap = 0.3  # the part of an action that a crop must keep
train_subset, test_subset = 'training', 'validation'
train_batch_size = 2
test_batch_size = 1
tiou_thresholds = [0.1, 0.2, 0.3, 0.4, 0.5]

load_feature = dict(type='LoadFeature', feat_dim=feat_dim, key='feats')
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

val_evaluator = dict(tiou_thresholds=tiou_thresholds)
test_evaluator = val_evaluator
