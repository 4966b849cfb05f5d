# ASL on Billboard as it is elsewhere: its three entries alone, on the points of the baseline.
_base_ = ['../../actionformer/actionformer_billboard.py', '../../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(sensitivity=_base_.sensitivity, loss_contrast=_base_.loss_contrast),
)
