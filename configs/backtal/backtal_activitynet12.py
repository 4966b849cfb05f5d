# BackTAL on ActivityNet-1.2, as the paper trains it.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/activitynet12.py',
    '../_base_/models/backtal.py',
    '../_base_/schedules/adam_constant.py',
]

length = 100  # steps, of every video
batch_size = 128
supervision, click_file = 'click', 'background_clicks.json'

resize = dict(type='ResizeFeature', length=length)
load_feature = _base_.load_feature
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        supervision=supervision,
        click_file=click_file,
        filter_cfg=None,
        pipeline=[load_feature, resize, dict(type='PackWeakInputs')],
    ),
)
val_dataloader = dict(dataset=dict(pipeline=[load_feature, resize, dict(type='PackTALInputs')]))
test_dataloader = val_dataloader

model = dict(
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=_base_.feat_dim,
        topk_ratio=0.6,
        sparsity_weight=0.01,  # the paper's 1e-4 for each of 100 steps
        loss_separation=dict(ratio=0.2, loss_weight=0.1),
    ),
    post_processor=dict(
        class_threshold=0.1,
        thresholds=[0.0, 0.025, 0.05, 0.075, 0.1, 0.125],
        outer_ratio=20.0,
        video_score_weight=0.6,
        shrink=0.02,
        whole_video_score=0.6,
        iou_threshold=0.7,
    ),
)

train_cfg = dict(max_epochs=25, val_interval=25)
optim_wrapper = dict(optimizer=dict(lr=2e-4))
randomness = dict(seed=5)
default_hooks = dict(ema=None, checkpoint=dict(save_best=None))
auto_scale_lr = dict(base_batch_size=batch_size)
