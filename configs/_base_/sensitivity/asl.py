# What makes a dense localizer an ASL one. A config that inherits this file and a baseline adds
#   model = dict(
#       neck=dict(theta=_base_.theta),
#       head=dict(sensitivity=_base_.sensitivity, loss_contrast=_base_.loss_contrast))
theta = 0.2
sensitivity = dict(
    type='ActionSensitivityEvaluator',
    class_level=dict(type='ClassSensitivity'),
    instance_level=dict(type='InstanceSensitivity'),
    normalize='per_gt',
)
loss_contrast = dict(
    type='ActionSensitiveContrastiveLoss',
    sampler=dict(type='SensitiveFrameSampler', delta=0.2),
    tau=0.07,
    loss_weight=0.3,
)
