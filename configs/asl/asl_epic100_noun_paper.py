# ASL as its paper trains it on EPIC-Kitchens-100; what the paper does not say is as in
# asl_epic100_noun.py.
_base_ = ['asl_epic100_noun.py']

model = dict(
    head=dict(sensitivity=dict(normalize='none')),
    post_processor=dict(quality_power=None),
)
train_cfg = dict(max_epochs=25)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
