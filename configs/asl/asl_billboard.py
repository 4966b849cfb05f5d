# ASL where actions overlap, without channel attention and contrastive loss, which do not pay here
# (docs/experiments.md): the baseline of the same name with sensitivity, points chosen by what they
# predict, scores multiplied by the quality, and weights as printed.
_base_ = ['../actionformer/actionformer_billboard.py', '../_base_/sensitivity/asl_dense.py']

model = dict(
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
