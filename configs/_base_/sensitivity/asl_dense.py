# ASL where actions overlap: asl.py, and what pays beside it on Billboard (docs/benchmarks.md). An
# action learns from the points that predict it best, at any place in it, and scores are multiplied
# by the predicted quality. The ranges of the levels should overlap, so that an action has points on
# two of them. Weights are the paper's: on held-out songs they gain a little over those of mean 1.
# A config that inherits this file (from another folder:
# 'asl_mmaction::_base_/sensitivity/asl_dense.py') and a baseline of six levels adds
#   model = dict(
#       neck=dict(theta=_base_.theta),
#       head=dict(
#           assigner=_base_.assigner,
#           regress_ranges=[(0, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 10000)],
#           sensitivity=_base_.sensitivity,
#           loss_contrast=_base_.loss_contrast,
#       ),
#       post_processor=dict(quality_power=_base_.quality_power))
_base_ = ['asl.py']

assigner = dict(type='SimOTAAssigner', center_sampling_radius=None)
sensitivity = dict(normalize='none')
quality_power = dict(loc=1.0)
