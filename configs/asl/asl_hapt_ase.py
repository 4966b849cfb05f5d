# The evaluator alone: class and instance level.
_base_ = ['../actionformer/actionformer_hapt.py', '../_base_/sensitivity/asl.py']

model = dict(head=dict(sensitivity=_base_.sensitivity))
