# The synthetic demo data: where a frame matters is known
# (asl_mmaction/datasets/preparation/synthetic.py).
# Generate with: python tools/data/synthetic/generate.py
_base_ = ['feature_dataset.py']

data_root = 'data/demo/'
ann_file = 'annotations.json'
feature_file = '{video}.npy'
feat_dim = 24
num_classes = 5
grid = dict(fps=10, feat_stride=4, clip_len=8)
max_len = 384  # steps; no sequence is longer
crop_ratio = (0.9, 1.0)
min_overlap = 0.5  # the part of an action that a crop must keep
train_subset, test_subset = 'training', 'test'
train_batch_size = 8
test_batch_size = 8
num_workers = 0  # a sample takes less than a millisecond
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
    num_workers=num_workers,
    persistent_workers=False,
    # 7 % of a batch is padding, instead of 27 %
    batch_sampler=dict(type='LengthGroupedBatchSampler'),
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
