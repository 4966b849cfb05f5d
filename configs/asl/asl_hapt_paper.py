# ASL as printed: weights that are not normalized.
_base_ = ['asl_hapt.py']

model = dict(head=dict(sensitivity=dict(normalize='none')))
