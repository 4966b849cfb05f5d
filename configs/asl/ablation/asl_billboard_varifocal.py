# ASL's entries on Billboard, with scores that learn the tIoU of their segment.
_base_ = ['asl_billboard_entries.py']

model = dict(head=dict(cls_target='tiou', loss_cls=dict(_delete_=True, type='VarifocalLoss')))
