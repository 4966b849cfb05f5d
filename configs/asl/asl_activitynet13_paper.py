# ASL as its paper trains it on ActivityNet-1.3, on I3D features; what the paper does not say is as
# in asl_activitynet13.py.
_base_ = ['asl_activitynet13.py']

feat_dim = 2048
load = dict(type='LoadFeature', feat_dim=feat_dim)
data = dict(
    feature_file='i3d/v_{video}.npy',
    grid=dict(fps=25, feat_stride=16, clip_len=16),
)
train_dataloader = dict(dataset=dict(pipeline=[load, *_base_.train_pipeline[1:]], **data))
val_dataloader = dict(dataset=dict(pipeline=[load, *_base_.test_pipeline[1:]], **data))
test_dataloader = val_dataloader

model = dict(projection=dict(in_channels=feat_dim), head=dict(sensitivity=dict(normalize='none')))
