import sys

import av
import numpy as np
import torch
from mmengine.config import Config

from asl_mmaction.extraction.extractor import FeatureExtractor
from asl_mmaction.extraction.recognizers import RecognizerNetwork
from asl_mmaction.files.features import read_feature

SAMPLE = dict(type='SampleFrames', clip_len=8, frame_interval=1, num_clips=1, test_mode=True)
PIPELINE = [
    dict(type='DecordInit'),
    SAMPLE,
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 32)),
    dict(type='CenterCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
CONFIG = dict(
    model=dict(
        type='Recognizer3D',
        backbone=dict(type='ResNet3d', depth=18, pretrained2d=False, base_channels=4),
        cls_head=dict(type='I3DHead', num_classes=2, in_channels=32),
        data_preprocessor=dict(
            type='ActionDataPreprocessor', mean=[128.0] * 3, std=[50.0] * 3, format_shape='NCTHW'
        ),
        test_cfg=dict(max_testing_views=4),
    ),
    default_scope='mmaction',
    test_dataloader=dict(
        batch_size=1,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='VideoDataset',
            ann_file='',
            data_prefix=dict(video=''),
            pipeline=PIPELINE,
            test_mode=True,
        ),
    ),
    test_cfg=dict(type='TestLoop'),
    test_evaluator=dict(type='AccMetric'),
)


def test_its_features_are_those_of_the_extractor(load_tool, tmp_path, monkeypatch):
    """A clip in the middle of the video, where its sampling and ours see the same frames."""
    config = Config(CONFIG)
    config.dump(tmp_path / 'config.py')
    network = RecognizerNetwork(config)
    state = {f'backbone.{k}': v for k, v in network.model.backbone.state_dict().items()}
    torch.save({'state_dict': state}, tmp_path / 'weights.pth')
    with av.open(str(tmp_path / 'a.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=10, options={'qp': '0'})
        stream.width = stream.height = 32
        stream.pix_fmt = 'yuv420p'
        for number in range(24):
            image = np.random.default_rng(number).integers(0, 256, (4, 4, 3), np.uint8)
            image = image.repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        container.mux(stream.encode(None))
    (tmp_path / 'list.txt').write_text('a.mp4 0\n')
    (tmp_path / 'out').mkdir()
    argv = ['tool', 'config.py', 'weights.pth', 'out', '--video-list', 'list.txt']
    argv += ['--video-root', str(tmp_path), '--long-video-mode', '--clip-interval', '8']
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', argv)
    load_tool('mmaction/clip_feature_extraction').main()

    theirs = read_feature(str(tmp_path / 'out' / 'a.mp4.pkl'))
    ours, told = FeatureExtractor(network, stride=8, clip_len=8).extract(tmp_path / 'a.mp4')
    assert theirs.shape == ours.shape == (3, told['dim'])
    # two decoders round colours in their own ways: by a level of 256
    np.testing.assert_allclose(theirs, ours, atol=0.02 * np.abs(ours).max())
    assert np.abs(ours[0] - ours[1]).max() > 0.1 * np.abs(ours).max()
