# Adam with one learning rate from start to end, as BackTAL trains; its weight decay is part of the
# gradient. A child sets train_cfg.max_epochs and optim_wrapper.optimizer.lr.
max_epochs = 40
lr = 1e-4
weight_decay = 5e-4

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=lr, betas=(0.9, 0.999), weight_decay=weight_decay, fused=True),
)
param_scheduler = []
