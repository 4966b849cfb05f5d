# ASL: the baseline of the same name with channel attention, sensitivity and contrastive loss.
_base_ = ['../actionformer/actionformer_billboard.py', '../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(sensitivity=_base_.sensitivity, loss_contrast=_base_.loss_contrast),
)
