# THUMOS14: 20 sports actions; two-stream I3D features.
# Prepare with: python tools/data/thumos14/prepare.py SOURCE
_base_ = ['feature_dataset.py']

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
# video_test_0000270 is labelled past its end; evaluations on 211 videos leave it out.
exclude_videos = []
tiou_thresholds = [0.3, 0.4, 0.5, 0.6, 0.7]

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
    dataset=dict(subset=train_subset, pipeline=train_pipeline, **data),
)
val_dataloader = dict(
    batch_size=test_batch_size,
    dataset=dict(subset=test_subset, pipeline=test_pipeline, **data),
)
test_dataloader = val_dataloader

val_evaluator = dict(tiou_thresholds=tiou_thresholds, exclude_videos=exclude_videos)
test_evaluator = val_evaluator
