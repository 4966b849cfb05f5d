# ASL as printed: weights that are not normalised.
_base_ = ['asl_hapt.py']

model = dict(head=dict(sensitivity=dict(normalize='none')))
