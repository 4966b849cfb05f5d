# ASL as printed: weights that are not normalised, mu and sigma at the learning rate of the rest.
_base_ = ['asl_hapt.py']

model = dict(head=dict(sensitivity=dict(normalize='none')))
