# BackTAL on synthetic sequences with context: what background clicks are worth.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/context_demo.py',
    '../_base_/models/backtal.py',
    '../_base_/schedules/adam_constant.py',
]

# 'video' takes no click_file; action_clicks.json and all_clicks.json are there too.
supervision, click_file = 'click', 'background_clicks.json'
channels = 32

train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        supervision=supervision,
        click_file=click_file,
        filter_cfg=None,
        pipeline=[_base_.load_feature, dict(type='PackWeakInputs')],
    ),
)

model = dict(
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=_base_.feat_dim,
        channels=channels,
        filter_channels=32,
        affinity=dict(hidden_channels=32, channels=16),
    ),
)

train_cfg = dict(max_epochs=40, val_interval=40)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(ema=None, checkpoint=dict(save_best=None))
auto_scale_lr = dict(base_batch_size=16)
