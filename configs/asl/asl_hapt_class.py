# One component alone: the class level of the evaluator.
_base_ = ['asl_hapt_ase.py']

model = dict(head=dict(sensitivity=dict(instance_level=None)))
