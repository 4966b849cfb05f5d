# ASL on the features of rendered videos (asl_mmaction/datasets/preparation/rendered_videos.py).
# Make, train, test and look at with: make demo-video
_base_ = ['asl_demo.py']

data_root = 'data/demo_video/'
feat_dim = 48
num_classes = 3
# As the sidecars of the features say it
grid = dict(fps=10, feat_stride=2, clip_len=8)
# How a video becomes features, by a small recogniser of mmaction2's: the first two stages of a
# ResNet3d-18, a quarter as wide, put side by side (16 + 32 numbers), on 8 frames of 48 x 36. Its
# weights are random: the motion shows in them all the same.
recognizer = dict(
    model=dict(
        type='Recognizer3D',
        backbone=dict(
            type='ResNet3d',
            depth=18,
            pretrained2d=False,
            base_channels=16,
            num_stages=2,
            out_indices=(0, 1),
            spatial_strides=(1, 2),
            temporal_strides=(1, 1),
            dilations=(1, 1),
            inflate=(1, 1),
            conv1_kernel=(5, 3, 3),
            conv1_stride_t=1,
            pool1_stride_t=1,
            norm_eval=False,
        ),
        data_preprocessor=dict(
            type='ActionDataPreprocessor',
            mean=[96.0, 96.0, 96.0],
            std=[40.0, 40.0, 40.0],
            format_shape='NCTHW',
        ),
    ),
    test_pipeline=[
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=8, frame_interval=1, num_clips=1, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(48, 36), keep_ratio=False),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ],
)
extractor = dict(recognizer=recognizer, stride=2, batch_size=16)

load_feature = dict(type='LoadFeature', feat_dim=feat_dim)
train_pipeline = [
    load_feature,
    dict(type='RandomTruncate', max_len=384, crop_ratio=(0.9, 1.0), min_overlap=0.5),
    dict(type='PackTALInputs'),
]
test_pipeline = [load_feature, dict(type='PackTALInputs')]
train_dataloader = dict(
    batch_size=4, dataset=dict(data_root=data_root, grid=grid, pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(data_root=data_root, grid=grid, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(data_root=data_root, grid=grid, pipeline=test_pipeline))

model = dict(projection=dict(in_channels=feat_dim), head=dict(num_classes=num_classes))
train_cfg = dict(max_epochs=30, val_interval=30)
auto_scale_lr = dict(base_batch_size=4)
