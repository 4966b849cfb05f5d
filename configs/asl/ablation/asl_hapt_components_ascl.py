# Table 5: the contrastive loss alone, on the frames around the center of each action.
_base_ = ['../asl_hapt.py']

model = dict(head=dict(sensitivity=None))
