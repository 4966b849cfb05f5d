# Table 5: the class level and the contrastive loss.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(instance_level=None)))
