# Table 5: the instance level without the class level and the contrastive loss.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(class_level=None), loss_contrast=None))
