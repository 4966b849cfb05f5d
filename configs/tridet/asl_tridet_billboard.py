# ASE and ASCL on the TriDet-style baseline, by configuration alone.
_base_ = ['tridet_billboard.py', '../_base_/sensitivity/asl.py']

model = dict(head=dict(sensitivity=_base_.sensitivity, loss_contrast=_base_.loss_contrast))
