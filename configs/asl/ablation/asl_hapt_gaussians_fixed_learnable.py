# Table 6: Gaussians of classification fixed, of localization learnable.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(class_level=dict(cls='fixed'))))
