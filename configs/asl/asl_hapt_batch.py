# ASL with weights of mean 1 over the batch: they move between actions as well.
_base_ = ['asl_hapt.py']

model = dict(head=dict(sensitivity=dict(normalize='batch')))
