# ASL as printed: weights that are not normalized.
_base_ = ['asl_billboard.py']

model = dict(head=dict(sensitivity=dict(normalize='none')))
