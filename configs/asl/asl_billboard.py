# ASL where actions overlap, without the contrastive loss, which does not pay here
# (docs/experiments.md): the baseline of the same name with channel attention and sensitivity,
# points chosen by what they predict, and scores multiplied by the quality.
_base_ = ['../actionformer/actionformer_billboard.py', '../_base_/sensitivity/asl_dense.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(
        assigner=_base_.assigner,
        regress_ranges=[
            (0, 4),
            (2, 8),
            (4, 16),
            (8, 32),
            (16, 64),
            (32, 128),
            (64, 256),
            (128, 10000),
        ],
        sensitivity=_base_.sensitivity,
    ),
    post_processor=dict(quality_power=_base_.quality_power),
)
