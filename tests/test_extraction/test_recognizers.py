"""Features against a slow loop: clip by clip, through mmaction2's pipeline and feature head."""

import av
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import nn

from asl_mmaction.extraction.clips import ClipSampling
from asl_mmaction.extraction.extractor import FeatureExtractor
from asl_mmaction.extraction.recognizers import RecognizerNetwork, pool
from asl_mmaction.files.mistakes import FileMistake, ValueMistake

from .conftest import CENTER, RECOGNIZERS, RESIZE


def build(name):
    """A network in float64, with weights that let something through."""
    network = RecognizerNetwork(RECOGNIZERS[name]())
    network.model.double()
    network.model.data_preprocessor.to_float32 = False
    for parameter in network.model.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
    return network


def slow_features(path, name, network, sampling):
    """(T, C), one clip at a time: all of mmaction2's own."""
    config = RECOGNIZERS[name]()
    steps = [s for s in config.test_pipeline if 'Decord' not in s.type and 'Sample' not in s.type]
    head = dict(type='FeatureHead', average_clips='score')
    head |= {'slowfast': dict(backbone_name='slowfast'), 'tsm': dict(backbone_name='tsm')}.get(
        name, {}
    )
    if name == 'tsm':
        head['num_segments'] = 8
    with DefaultScope.overwrite_default_scope('mmaction'):
        whole = Compose([TRANSFORMS.build(step) for step in steps])
        head = MODELS.build(head)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    rows = []
    for start in range(0, len(frames) - sampling.clip_len + 1, sampling.stride):
        clip = [frames[start + offset] for offset in sampling.offsets]
        is_2d = config.model.type == 'Recognizer2D'
        packed = whole(
            {
                'imgs': clip,
                'img_shape': clip[0].shape[:2],
                'num_clips': len(clip) if is_2d else 1,
                'clip_len': 1 if is_2d else len(clip),
                'modality': 'RGB',
            }
        )
        batch = {'inputs': [packed['inputs']], 'data_samples': [packed['data_samples']]}
        data = network.model.data_preprocessor(batch)
        with torch.no_grad():
            feature, _ = network.model.extract_feat(data['inputs'], stage='backbone')
            feature = head(feature, num_segs=len(clip))
            rows.append(head.predict_by_feat(feature, data['data_samples'])[0])
    return torch.stack(rows).numpy()


@pytest.mark.parametrize('name', RECOGNIZERS)
def test_features_are_those_of_a_slow_loop(name, plain_video):
    network = build(name)
    clip_len = 8 if network.is_2d else None
    extractor = FeatureExtractor(network, stride=20, clip_len=clip_len, batch_size=2)
    feature, told = extractor.extract(plain_video)
    expected = slow_features(plain_video, name, network, extractor.sampling)
    assert feature.dtype == np.float32
    assert feature.shape == expected.shape == (told['T'], told['dim'])
    # computed twice in float64, rounded once to float32
    scale = np.abs(expected).max()
    np.testing.assert_allclose(feature, expected, rtol=2**-23, atol=1e-12 * scale)
    assert np.abs(expected).std(axis=0).max() > 0.01 * scale  # the clips differ

    # the batch size changes nothing
    others = FeatureExtractor(network, stride=20, clip_len=clip_len, batch_size=3)
    np.testing.assert_allclose(
        others.extract(plain_video)[0], feature, rtol=2**-22, atol=1e-12 * scale
    )


def test_frames_of_a_two_dimensional_network_are_computed_once(plain_video, monkeypatch):
    network = build('mobilenet')
    prepared, forwarded = [], []
    prepare, forward = network.prepare, network.forward
    monkeypatch.setattr(network, 'prepare', lambda x: prepared.append(1) or prepare(x))
    monkeypatch.setattr(network, 'forward', lambda x: forwarded.append(len(x)) or forward(x))
    extractor = FeatureExtractor(network, stride=2, clip_len=8, frame_interval=2)
    prepared.clear()
    forwarded.clear()
    assert len(extractor.extract(plain_video)[0]) == 47
    assert len(prepared) == sum(forwarded) == 50


def test_frames_of_a_three_dimensional_network_are_prepared_once(plain_video, monkeypatch):
    network = build('i3d')
    prepared = []
    prepare = network.prepare
    monkeypatch.setattr(network, 'prepare', lambda x: prepared.append(1) or prepare(x))
    extractor = FeatureExtractor(network, stride=4, clip_len=8)
    prepared.clear()
    extractor.extract(plain_video)
    assert len(prepared) == 100


def test_what_the_network_sees_of_a_clip():
    def sampling(name, **settings):
        return FeatureExtractor(build(name), stride=4, **settings).sampling

    # its own pipeline: 8 frames, 2 apart
    assert sampling('i3d') == ClipSampling(16, 4, 2)
    assert sampling('i3d', clip_len=32) == ClipSampling(32, 4, 4)
    assert sampling('i3d', clip_len=12) == ClipSampling(12, 4, 1)
    assert sampling('i3d', clip_len=16, frame_interval=1) == ClipSampling(16, 4, 1)
    assert sampling('i3d', frame_interval=3) == ClipSampling(24, 4, 3)
    assert sampling('tsm') == ClipSampling(8, 4, 1)
    assert sampling('tsm', clip_len=16) == ClipSampling(16, 4, 2)
    assert sampling('tsn', clip_len=6) == ClipSampling(6, 4, 1)
    with pytest.raises(ValueMistake, match='expected clips of which the network sees 8 frames but'):
        sampling('tsm', clip_len=12)
    with pytest.raises(ValueMistake, match=r'expected clip_len, for .* takes any, but got none'):
        sampling('tsn')
    with pytest.raises(ValueMistake, match=r'takes but with clips of 12 frames it ends in: '):
        sampling('videomae', clip_len=12)


def test_random_weights_are_the_same_each_time():
    first, second = (RecognizerNetwork(RECOGNIZERS['videomae']()) for _ in range(2))
    assert first.digest() == second.digest()
    with torch.no_grad():
        next(second.model.parameters())[0] += 1
    assert first.digest() != second.digest()


def test_weights_come_from_a_checkpoint_whatever_else_it_holds(tmp_path):
    source = build('videomae').model.float()
    state = source.state_dict() | {'cls_head.fc_cls.weight': torch.zeros(5, 512)}
    torch.save({'state_dict': state, 'meta': {'epoch': 3}}, tmp_path / 'full.pth')
    torch.save(state, tmp_path / 'bare.pth')
    for name in ('full.pth', 'bare.pth'):
        network = RecognizerNetwork(RECOGNIZERS['videomae'](), tmp_path / name)
        for key, value in network.model.backbone.state_dict().items():
            assert torch.equal(value, source.backbone.state_dict()[key])


class Attack:
    def __reduce__(self):
        return exec, ('raise SystemExit("the pickle has run")',)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    config = RECOGNIZERS['videomae']()
    state = RecognizerNetwork(config).model.state_dict()
    first = sorted(state)[0]
    torch.save({'state_dict': state | {first: torch.zeros(3)}}, tmp_path / 'other.pth')
    torch.save({'state_dict': {}}, tmp_path / 'none.pth')
    torch.save({'state_dict': 3}, tmp_path / 'number.pth')
    torch.save({'state_dict': Attack()}, tmp_path / 'attack.pth')
    (tmp_path / 'text.pth').write_text('nothing')
    for name, words in {
        'other.pth': rf'1 entries of .* such as {first}: expected .* but got \(3,\)',
        'none.pth': 'but got none',
        'number.pth': 'but got none',
        'attack.pth': 'could not read',
        'text.pth': 'could not read',
    }.items():
        with pytest.raises(ValueMistake, match=words):
            RecognizerNetwork(config, tmp_path / name)
    with pytest.raises(FileMistake, match=r'expected a checkpoint but got .* does not exist'):
        RecognizerNetwork(config, tmp_path / 'missing.pth')


def test_what_is_no_recognizer_of_frames_is_refused(tmp_path):
    config = RECOGNIZERS['tsn']()
    config.model.type = 'RecognizerGCN'
    with pytest.raises(ValueMistake, match=r'Recognizer2D or Recognizer3D .* RecognizerGCN'):
        RecognizerNetwork(config)
    config = RECOGNIZERS['tsn']()
    config.test_pipeline = [dict(type='PoseDecode')]
    with pytest.raises(ValueMistake, match=r'a test pipeline of frames .* but got PoseDec'):
        RecognizerNetwork(config)
    config.pop('test_pipeline')
    with pytest.raises(ValueMistake, match='expected a test_dataloader with a pipeline but got no'):
        RecognizerNetwork(config)
    with pytest.raises(FileMistake, match=r'expected a config file but got none\.py'):
        RecognizerNetwork('none.py')
    with pytest.raises(FileMistake, match='expected a config but got mmaction::recognition/none'):
        RecognizerNetwork('mmaction::recognition/none.py')


def test_the_pipeline_may_be_that_of_the_dataloader():
    config = RECOGNIZERS['videomae']()
    steps = config.pop('test_pipeline')
    config.test_dataloader = dict(dataset=dict(pipeline=steps))
    assert RecognizerNetwork(config).pipeline == [{**RESIZE, 'scale': [-1, 32]}, CENTER]


def test_one_crop_in_place_of_three():
    network = RecognizerNetwork(RECOGNIZERS['i3d'](), center_crop=True)
    image = np.arange(32 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(32, 64, 3)
    (view,) = network.prepare(image)
    np.testing.assert_array_equal(view, image[:, 16:48])
    assert network.pipeline[-1] == CENTER
    assert len(RecognizerNetwork(RECOGNIZERS['i3d']()).prepare(image)) == 3


def test_pooling_by_hand():
    grid = torch.arange(24.0).reshape(2, 3, 2, 2)  # two views of one clip
    assert pool(grid, 1).tolist() == [[7.5, 11.5, 15.5]]
    assert pool(grid, 2).tolist() == [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]]
    assert pool((grid, grid[:, :1, None]), 1).tolist() == [[7.5, 11.5, 15.5, 7.5]]
    tokens = ([grid[:, :, None], torch.tensor([[1.0], [3.0]])],)  # MViT: patches and class
    assert pool(tokens, 1).tolist() == [[2.0]]
    with pytest.raises(ValueMistake, match=r'expected a backbone whose output is .* got \(2, 3, 4'):
        pool(torch.zeros(2, 3, 4), 2)
