# Figure 3: delta = 0.3, the sensitive part of an action.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(loss_contrast=dict(sampler=dict(delta=0.3))))
