# One component alone: the instance level of the evaluator.
_base_ = ['asl_hapt_ase.py']

model = dict(head=dict(sensitivity=dict(class_level=None)))
