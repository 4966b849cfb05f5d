# ASL as its paper trains it on Charades; what the paper does not say is as in
# actionformer_charades.py.
_base_ = ['../actionformer/actionformer_charades.py', '../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(
        assigner=dict(match='shortest'),
        sensitivity=dict(_base_.sensitivity, normalize='none'),
        loss_contrast=_base_.loss_contrast,
    ),
    post_processor=dict(max_per_video=200),
)
train_cfg = dict(max_epochs=30)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=30)]
