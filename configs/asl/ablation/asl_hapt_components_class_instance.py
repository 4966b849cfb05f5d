# Table 5: both levels of the evaluator, without the contrastive loss.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(loss_contrast=None))
