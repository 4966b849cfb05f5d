# Table 7: one Gaussian, shared by classification and localization.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(class_level=dict(shared=True))))
