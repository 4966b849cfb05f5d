# The ActionFormer-style baseline on Ego4D Moments Queries with EgoVLP features alone.
_base_ = ['actionformer_ego4d.py']

feat_dim = 256
load = dict(type='LoadFeature', feat_dim=feat_dim)
data = dict(
    feature_file='egovlp/{video}.pt',
    grid=dict(fps=30, feat_stride=16, clip_len=16),
)
train_dataloader = dict(dataset=dict(pipeline=[load, *_base_.train_pipeline[1:]], **data))
val_dataloader = dict(dataset=dict(pipeline=[load, *_base_.test_pipeline[1:]], **data))
test_dataloader = val_dataloader

model = dict(
    projection=dict(in_channels=feat_dim, source_channels=None, out_channels=384),
    neck=dict(num_heads=4),
)
