# Table 7: no Gaussian for classification, one for localization.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=dict(class_level=dict(cls='none', num_loc=1))))
