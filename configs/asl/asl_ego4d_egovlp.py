# ASL: the baseline of the same name with channel attention, sensitivity and contrastive loss.
_base_ = ['../actionformer/actionformer_ego4d_egovlp.py', '../_base_/sensitivity/asl.py']

model = dict(
    neck=dict(theta=_base_.theta),
    head=dict(sensitivity=_base_.sensitivity, loss_contrast=_base_.loss_contrast),
    # Scores are multiplied by the predicted quality, which pays on dense recordings.
    post_processor=dict(quality_power=dict(loc=1.0)),
)
