# What every training and test has in common. Parts that mmengine adds by itself are left out.
default_scope = 'mmaction'
# A child that names modules of its own replaces the list; ours is imported all the same.
__import__('asl_mmaction')
custom_imports = dict(imports=['asl_mmaction'], allow_failed_imports=False)

# A checkpoint is written at most once a minute, or every `interval` epochs where that is set; two
# are kept: mmengine removes the oldest before it has written the next. The moving average of the
# weights is over about the last tenth of the steps so far, and over at most the last thousand: a
# short training does not drag its first weights along. ema=None: no average.
default_hooks = dict(
    runtime_info=dict(type='OneSyncRuntimeInfoHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    logger=dict(type='LoggerHook', interval=20, ignore_last=False),
    checkpoint=dict(type='PacedCheckpointHook', max_keep_ckpts=2, save_best='mAP', rule='greater'),
    ema=dict(type='OneEMAHook', ema_type='ForeachEMA', momentum=0.001, gamma=10),
)
custom_hooks = []  # a child's own
log_level = 'INFO'
log_processor = dict(type='LogProcessor', window_size=20, by_epoch=True)
vis_backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends)

randomness = dict(seed=0)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),  # gloo where there is no GPU
)
auto_scale_lr = dict(enable=False, base_batch_size=2)
load_from = None
resume = False
