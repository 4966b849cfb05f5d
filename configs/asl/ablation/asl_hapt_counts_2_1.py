# Table 7: two Gaussians for classification, one for localization.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(class_level=dict(num_cls=2, num_loc=1))))
