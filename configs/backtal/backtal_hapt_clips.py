# BackTAL on clips of HAPT.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/hapt_clips.py',
    '../_base_/models/backtal.py',
    '../_base_/schedules/adam_constant.py',
]

# 'video' takes no click_file; action_clicks.json and all_clicks.json are there too.
supervision, click_file = 'click', 'background_clicks.json'

train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        supervision=supervision,
        click_file=click_file,
        filter_cfg=None,
        pipeline=[_base_.load_feature, dict(type='PackWeakInputs')],
    ),
)
val_dataloader = dict(batch_size=16)
test_dataloader = val_dataloader

model = dict(
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=_base_.feat_dim,
        channels=64,
        filter_channels=32,
        topk_ratio=0.25,
        affinity=dict(hidden_channels=32, channels=32),
    ),
)

train_cfg = dict(max_epochs=20, val_interval=20)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(ema=None, checkpoint=dict(save_best=None))
auto_scale_lr = dict(base_batch_size=32)
