# ASL as its paper trains it on THUMOS14; what the paper does not say is as in asl_thumos14.py.
_base_ = ['asl_thumos14.py']

model = dict(
    head=dict(sensitivity=dict(normalize='none')),
    post_processor=dict(max_per_video=200),
)
train_cfg = dict(max_epochs=30)
