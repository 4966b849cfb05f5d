# ASL: the baseline of the same name with channel attention, sensitivity and contrastive loss; and
# what pays where actions overlap (docs/benchmarks.md): an action learns from the points that
# predict it best, at any place in it and on either of two levels, and scores are multiplied by
# the predicted quality.
_base_ = ['../actionformer/actionformer_billboard.py', '../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(
        assigner=dict(type='SimOTAAssigner', center_sampling_radius=None),
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
        loss_contrast=_base_.loss_contrast,
    ),
    post_processor=dict(quality_power=dict(loc=1.0)),
)
