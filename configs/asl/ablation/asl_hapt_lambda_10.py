# Figure 3: lambda = 1.0, the weight of the contrastive loss.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(loss_contrast=dict(loss_weight=1.0)))
