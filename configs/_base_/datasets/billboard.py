# McGill Billboard: chords, sections and leads of songs, 37 classes that overlap; chroma features.
# Prepare with: python tools/data/billboard/prepare.py SOURCE
_base_ = ['feature_dataset.py']

data_root = 'data/billboard/'
ann_file = 'annotations.json'
feature_file = '{video}.npy'
feat_dim = 48  # windows of 10 chroma frames, pooled to 2 x 24
num_classes = 37
grid = dict(fps=44100 / 2048, feat_stride=5, clip_len=10)
max_len = 3072  # steps; the longest song has 3023
crop_ratio = (0.9, 1.0)
min_overlap = 0.5  # the part of an action that a crop must keep
train_subset, test_subset = 'training', 'test'
train_batch_size = 2
test_batch_size = 4
num_workers = 0  # a sample takes about a millisecond
# Two averages: the usual one, and a strict one
tiou_thresholds = dict(
    mAP=[0.3, 0.4, 0.5, 0.6, 0.7],
    mAP_strict=[0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
)

load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
train_pipeline = [
    load_feature,
    dict(type='RandomTruncate', max_len=max_len, crop_ratio=crop_ratio, min_overlap=min_overlap),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]

data = dict(data_root=data_root, ann_file=ann_file, feature_file=feature_file, grid=grid)
train_dataloader = dict(
    batch_size=train_batch_size,
    num_workers=num_workers,
    persistent_workers=False,
    dataset=dict(subset=train_subset, pipeline=train_pipeline, **data),
)
val_dataloader = dict(
    batch_size=test_batch_size,
    num_workers=num_workers,
    persistent_workers=False,
    dataset=dict(subset=test_subset, pipeline=test_pipeline, **data),
)
test_dataloader = val_dataloader

val_evaluator = dict(tiou_thresholds=tiou_thresholds)
test_evaluator = val_evaluator
