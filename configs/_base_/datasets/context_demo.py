# Synthetic sequences with context (asl_mmaction/datasets/preparation/context.py).
# Generate with: python tools/data/synthetic/generate.py --kind context
_base_ = ['demo.py']

data_root = 'data/context_demo/'
feat_dim = 16
num_classes = 4
max_len = 128  # steps; no sequence is longer

load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
train_pipeline = [
    load_feature,
    dict(
        type='RandomTruncate',
        max_len=max_len,
        crop_ratio=_base_.crop_ratio,
        min_overlap=_base_.min_overlap,
    ),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]

data = dict(data_root=data_root)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **data))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **data))
test_dataloader = val_dataloader
