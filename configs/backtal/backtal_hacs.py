# BackTAL on HACS, as the paper trains it.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/hacs.py',
    '../_base_/models/backtal.py',
    '../_base_/schedules/adam_constant.py',
]

length = 200  # steps, of every video
batch_size = 64
supervision, click_file = 'click', 'background_clicks.json'

resize = dict(type='ResizeFeature', length=length)
feat_dim = 2048  # I3D
load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
data = dict(feature_file='i3d/{video}.npy', grid=dict(fps=25, feat_stride=16, clip_len=16))
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        supervision=supervision,
        click_file=click_file,
        filter_cfg=None,
        pipeline=[load_feature, resize, dict(type='PackWeakInputs')],
        **data,
    ),
)
val_dataloader = dict(
    dataset=dict(pipeline=[load_feature, resize, dict(type='PackTALInputs')], **data)
)
test_dataloader = val_dataloader

model = dict(
    head=dict(
        num_classes=_base_.num_classes,
        in_channels=feat_dim,
        topk_ratio=0.6,
        sparsity_weight=0.02,  # the paper's 1e-4 for each of 200 steps
        loss_separation=dict(ratio=0.2, loss_weight=0.1),
    ),
    post_processor=dict(
        class_threshold=0.075,
        thresholds=[0.0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175],
        outer_ratio=200.0,
        video_score_weight=0.6,
        shrink=0.02,
        whole_video_score=0.6,
        iou_threshold=0.71,
    ),
)

train_cfg = dict(max_epochs=8, val_interval=8)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
randomness = dict(seed=5)
default_hooks = dict(ema=None, checkpoint=dict(save_best=None))
auto_scale_lr = dict(base_batch_size=batch_size)
