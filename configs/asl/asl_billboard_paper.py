# ASL's three entries as printed: weights that are not normalized, on the points of the baseline.
_base_ = ['ablation/asl_billboard_entries.py']

model = dict(head=dict(sensitivity=dict(normalize='none')))
