# ASL as its paper trains it on MultiTHUMOS; what the paper does not say is as in
# actionformer_multithumos.py.
_base_ = ['../actionformer/actionformer_multithumos.py', '../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(
        assigner=dict(match='shortest'),
        sensitivity=dict(_base_.sensitivity, normalize='none'),
        loss_contrast=_base_.loss_contrast,
    ),
    post_processor=dict(pre_nms_topk=2000, max_per_video=200),
)
train_cfg = dict(max_epochs=60)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=60)]
