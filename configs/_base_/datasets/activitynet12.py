# ActivityNet-1.2: 100 activities; I3D features, every video resized to one length.
# Prepare with: python tools/data/activitynet13/prepare.py SOURCE --release activitynet12
_base_ = ['activitynet13.py']

data_root = 'data/activitynet12/'
feature_file = '{video}.npy'
feat_dim = 2048
num_classes = 100
grid = dict(fps=25, feat_stride=16, clip_len=16)
length = 100  # steps, of every video

load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
resize = dict(type='ResizeFeature', length=length)
train_pipeline = [
    load_feature,
    resize,
    dict(
        type='RandomTruncate',
        max_len=length,
        crop_ratio=_base_.crop_ratio,
        min_overlap=_base_.min_overlap,
    ),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, resize, dict(type='PackTALInputs')]

data = dict(data_root=data_root, feature_file=feature_file, grid=grid)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **data))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **data))
test_dataloader = val_dataloader
