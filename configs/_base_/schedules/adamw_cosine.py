# AdamW, linear warm-up, cosine down to nothing.
# A child sets train_cfg.max_epochs and optim_wrapper.optimizer.lr; the cosine ends where the
# training does.
max_epochs = 40
warmup_epochs = 5
lr = 1e-3
weight_decay = 0.05

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OneSyncOptimWrapper',
    constructor='GroupedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=lr, betas=(0.9, 0.999), weight_decay=weight_decay, fused=True),
    clip_grad=dict(max_norm=1.0, norm_type=2),
    paramwise_cfg=dict(
        # No decay: all one-dimensional parameters (biases, norms, layer scales, learnable scales),
        # and mu and sigma of the class-level Gaussians.
        flat_decay_mult=0.0,
        custom_keys={'class_level': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,
        begin=0,
        end=warmup_epochs,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-8,
        begin=warmup_epochs,
        convert_to_iter_based=True,
    ),
]
