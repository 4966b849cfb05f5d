# ASL as its paper trains it on Ego4D; what the paper does not say is as in asl_ego4d.py.
_base_ = ['asl_ego4d.py']

model = dict(
    head=dict(assigner=dict(match='shortest'), sensitivity=dict(normalize='none')),
    post_processor=dict(quality_power=None),
)
train_cfg = dict(max_epochs=15)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=15)]
