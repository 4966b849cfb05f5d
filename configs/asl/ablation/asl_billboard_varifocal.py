# ASL on Billboard whose scores learn the tIoU of their segment.
_base_ = ['../asl_billboard.py']

model = dict(head=dict(cls_target='tiou', loss_cls=dict(_delete_=True, type='VarifocalLoss')))
