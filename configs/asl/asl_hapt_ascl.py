# One component alone: the contrastive loss, around the centers of the actions.
_base_ = ['../actionformer/actionformer_hapt.py', '../_base_/sensitivity/asl.py']

model = dict(head=dict(loss_contrast=_base_.loss_contrast))
