# One component alone: channel attention beside the temporal one.
_base_ = ['../actionformer/actionformer_hapt.py', '../_base_/sensitivity/asl.py']

model = dict(neck=dict(theta=_base_.theta))
