# The ActionFormer-style baseline on the nouns of EPIC-Kitchens-100.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/datasets/epic100_noun.py',
    '../_base_/models/actionformer.py',
    '../_base_/schedules/adamw_cosine.py',
]

model = dict(
    projection=dict(in_channels=_base_.feat_dim),
    neck=dict(window_size=9),
    head=dict(
        num_classes=_base_.num_classes,
        # Overlapping: an action is found on two levels.
        regress_ranges=[(0, 4), (2, 8), (4, 16), (8, 32), (16, 64), (32, 10000)],
        loss_cls=dict(label_smoothing=0.1),
        loss_normalizer=250,
    ),
    post_processor=dict(pre_nms_topk=5000, sigma=0.4, max_per_video=2000),
)

train_cfg = dict(max_epochs=20, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
