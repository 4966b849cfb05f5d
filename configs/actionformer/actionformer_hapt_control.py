# The control of asl_hapt_paper: the baseline with its losses scaled by the mean weights that ASE
# ended with there. What ASL gains over it comes from where the weight lies, not from how much.
_base_ = ['actionformer_hapt.py']

model = dict(head=dict(loss_cls=dict(loss_weight=1.73), loss_loc=dict(loss_weight=2.56)))
