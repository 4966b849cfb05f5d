# HACS Segments v1.1.1: the 200 activities of ActivityNet; SlowFast features.
# Prepare with: python tools/data/activitynet13/prepare.py SOURCE --release hacs
_base_ = ['feature_dataset.py']

data_root = 'data/hacs/'
ann_file = 'annotations.json'
feature_file = '{video}.npy'
feat_dim = 2304
num_classes = 200
grid = dict(fps=15, feat_stride=8, clip_len=32)
max_len = 960
crop_ratio = (0.9, 1.0)
min_overlap = 0.5  # the part of an action that a crop must keep
train_subset, test_subset = 'training', 'validation'
train_batch_size = 8
test_batch_size = 8
missing_videos = []  # names of videos without features
tiou_thresholds = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]

load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
train_pipeline = [
    load_feature,
    dict(type='RandomTruncate', max_len=max_len, crop_ratio=crop_ratio, min_overlap=min_overlap),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]

data = dict(
    data_root=data_root,
    ann_file=ann_file,
    feature_file=feature_file,
    grid=grid,
    exclude_videos=missing_videos,
)
train_dataloader = dict(
    batch_size=train_batch_size,
    dataset=dict(
        subset=train_subset,
        filter_cfg=dict(min_duration=0.01),
        pipeline=train_pipeline,
        **data,
    ),
)
val_dataloader = dict(
    batch_size=test_batch_size,
    dataset=dict(subset=test_subset, pipeline=test_pipeline, **data),
)
test_dataloader = val_dataloader

val_evaluator = dict(tiou_thresholds=tiou_thresholds)
test_evaluator = val_evaluator
