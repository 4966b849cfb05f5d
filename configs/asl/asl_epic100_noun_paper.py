# ASL as its paper trains it on EPIC-Kitchens-100; what the paper does not say is as in
# actionformer_epic100_noun.py.
_base_ = ['../actionformer/actionformer_epic100_noun.py', '../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(
        sensitivity=dict(_base_.sensitivity, normalize='none'),
        loss_contrast=_base_.loss_contrast,
    ),
)
train_cfg = dict(max_epochs=25)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
