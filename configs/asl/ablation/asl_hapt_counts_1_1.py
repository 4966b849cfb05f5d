# Table 7: one Gaussian for classification, one for localization.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(class_level=dict(num_loc=1))))
