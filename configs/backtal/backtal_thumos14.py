# BackTAL on THUMOS14, as the paper trains it.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/thumos14.py',
    '../_base_/models/backtal.py',
    '../_base_/schedules/adam_constant.py',
]

length = 750  # steps, of every video
batch_size = 16
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

# The public code scores tIoU 0.1:0.1:0.9, on 210 videos: without these two.
exclude_videos = ['video_test_0000270', 'video_test_0001496']
val_evaluator = dict(
    tiou_thresholds=dict(
        _delete_=True,
        mAP=[0.3, 0.4, 0.5, 0.6, 0.7],
        mAP_wide=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
    ),
    exclude_videos=exclude_videos,
)
test_evaluator = val_evaluator

model = dict(
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=_base_.feat_dim,
    ),
    # More candidates: runs of the length of the features, for each class.
    post_processor=dict(magnitude_thresholds=[0.3, 0.375, 0.45, 0.525, 0.6, 0.675, 0.75]),
)

train_cfg = dict(max_epochs=40)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
randomness = dict(seed=38)
default_hooks = dict(ema=None, checkpoint=dict(save_best=None))
auto_scale_lr = dict(base_batch_size=batch_size)
