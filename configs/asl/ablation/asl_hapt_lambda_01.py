# Figure 3: lambda = 0.1, the weight of the contrastive loss.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(loss_contrast=dict(loss_weight=0.1)))
