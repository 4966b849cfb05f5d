"""ONNX files beside PyTorch: of each kind of localizer, by candidates and by detections."""

import json
import shutil
import sys
from functools import cache

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

from asl_mmaction.apis import TALInferencer, export, load_config, model
from asl_mmaction.apis.export import TOLERANCE, export_onnx
from asl_mmaction.apis.onnx_network import ABOUT, CONFIG, OnnxNetwork, to_outputs
from asl_mmaction.models.localizers import DenseLocalizer

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

NARROW = {
    'model.projection.out_channels': 16,
    'model.data_preprocessor.size_divisor': 2,
    'model.neck.num_levels': 2,
    'model.neck.stem_depth': 1,
    'model.head.strides': [1, 2],
    'model.head.regress_ranges': [[0, 4], [4, 10000]],
    'model.head.num_convs': 1,
}
WEAK = {
    'model.head.channels': 8,
    'model.head.filter_channels': 8,
    'model.head.affinity.hidden_channels': 8,
}
# A window whose half is longer than a block, both attentions, instance evaluators; and the rest.
KINDS = {
    'asl': (
        'asl_demo',
        {
            **NARROW,
            'model.neck.window_size': 37,
            'model.neck.top_down': True,
            'model.post_processor.quality_power': {'cls': 0.5},
        },
    ),
    'full attention': (
        'actionformer_demo',
        {
            **NARROW,
            'model.neck.window_size': [None, 1],
            'model.neck.causal': 'split',
            'model.projection.position_len': 50,
            'model.head.per_class': True,
            'model.head.assigner': {'match': 'all'},
        },
    ),
    'tridet': ('tridet_hapt', {**NARROW, 'model.neck.window_size': [1, 5]}),
    'weak': ('backtal_hapt_clips', WEAK),
}


def make(kind, folder):
    """Config and checkpoint of a model of random weights which is certain of what it finds."""
    name, options = KINDS[kind]
    config = load_config(name, options)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        localizer = MODELS.build(config.model)
    state = localizer.state_dict()
    for key in state:
        if key.endswith('path.scale'):  # from 1e-4, which would hide the blocks
            state[key] = torch.ones_like(state[key])
    if 'head.cls_out.bias' in state:
        state['head.cls_out.bias'] += 4
    classes = [f'class {label}' for label in range(config.model.head.num_classes)]
    path = folder / f'{kind}.pth'
    torch.save({'state_dict': state, 'meta': {'dataset_meta': {'classes': classes}}}, path)
    return config, path


@pytest.fixture(scope='module')
def exports(tmp_path_factory):
    """Function: config, checkpoint and what the export says; the file lies beside the latter."""

    @cache
    def get(kind):
        config, path = make(kind, tmp_path_factory.mktemp('onnx'))
        return config, path, export_onnx(config, path, path.with_suffix('.onnx'))

    return get


@pytest.fixture
def asl(exports):
    return exports('asl')


def draw(width, *lengths):
    generator = np.random.default_rng(0)
    return [generator.normal(size=(length, width)).astype(np.float32) for length in lengths]


def assert_same(ours, theirs):
    """Detections, up to the tolerance of the file."""
    assert len(ours) == len(theirs)
    assert len(ours[0]['detections']) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert len(one['detections']) == len(other['detections'])
        for found, expected in zip(one['detections'], other['detections'], strict=True):
            assert found['label'] == expected['label']
            # A soft-NMS factor and a grid's seconds multiply the difference by a few
            assert found['score'] == pytest.approx(expected['score'], abs=10 * TOLERANCE)
            assert found['segment'] == pytest.approx(expected['segment'], abs=10 * TOLERANCE)


@pytest.mark.parametrize('kind', KINDS)
def test_candidates_and_detections_are_those_of_pytorch(exports, kind):
    config, path, said = exports(kind)
    assert len(said.parity) == 5
    assert all(value <= TOLERANCE for trial in said.parity for value in trial.differences.values())
    torch_side, onnx_side = (
        TALInferencer(config, path, device='cpu', show_progress=False, backend=backend)
        for backend in ('torch', 'onnxruntime')
    )
    features = draw(said.inputs, 20, 9, 1)
    masks = torch.arange(20) < torch.tensor([20, 9, 1])[:, None]
    padded = torch.nn.utils.rnn.pad_sequence(map(torch.from_numpy, features), batch_first=True)
    with torch.no_grad():
        expected = to_outputs(torch_side.model.find(padded, masks))
    found = to_outputs(onnx_side.model.find(padded, masks))
    assert list(found) == list(expected)
    valid = expected.get('point_masks', masks)
    for name, values in expected.items():
        part = valid if values.shape[:2] == valid.shape else slice(None)
        scale = float(values.abs().max()) if values.is_floating_point() else 0
        torch.testing.assert_close(
            found[name][part], values[part], rtol=0, atol=TOLERANCE * max(1, scale)
        )
    for batch_size in (1, 3):
        ours, theirs = (
            side(features, batch_size=batch_size)['predictions'] for side in (torch_side, onnx_side)
        )
        assert_same(theirs, ours)


def test_windows_run_the_same_network(asl, monkeypatch):
    """Of the config, or because a recording is long."""
    config, path, _ = asl
    windowed = load_config(
        config, {'model.type': 'SlidingWindowLocalizer', 'model.window_length': 16}
    )
    monkeypatch.setattr(model, 'MAX_STEPS', 30)
    monkeypatch.setattr(model, 'WINDOW_STEPS', 16)
    for each in (windowed, config):
        ours, theirs = (
            TALInferencer(each, path, device='cpu', backend=backend)(draw(24, 40))['predictions']
            for backend in ('torch', 'onnxruntime')
        )
        assert_same(theirs, ours)


def test_the_file_says_what_it_is(asl):
    config, path, said = asl
    content = onnx.load(path.with_suffix('.onnx'))
    entries = {entry.key: entry.value for entry in content.metadata_props}
    assert entries[CONFIG] == config.pretty_text
    about = json.loads(entries[ABOUT])
    assert about['dataset_meta']['classes'] == [f'class {label}' for label in range(5)]
    assert about['length_multiple'] == said.multiple == 2
    assert about['grid'] == dict(config.test_dataloader.dataset.grid)
    assert about['model']['neck']['window_size'] == 37
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in content.graph.input
    }
    assert shapes == {'features': ['batch', 'steps', 24], 'masks': ['batch', 'steps']}
    names = [value.name for value in content.graph.output]
    assert names == ['segments', 'scores', 'quality', 'point_masks']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'model.neck.window_size': 19}, r'where model\.neck\.window_size is 37, but got 19'),
        ({'test_dataloader.dataset.grid.fps': 7}, r'where grid\.fps is 10, but got 7'),
    ],
)
def test_another_config_is_refused(asl, options, message):
    config, path, _ = asl
    with pytest.raises(ValueError, match=message):
        TALInferencer(load_config(config, options), path, backend='onnxruntime')


def test_what_does_not_agree_is_not_written(tmp_path, monkeypatch, capfd):
    config, path = make('weak', tmp_path)
    right = export._Network.forward

    def wrong(self, *inputs):
        activations, *rest = right(self, *inputs)
        return activations * 1.001, *rest

    monkeypatch.setattr(export._Network, 'forward', wrong)
    message = r'to agree with PyTorch to 1e-05 but activations differs by .* it is not written$'
    with pytest.raises(ValueError, match=message):
        export_onnx(config, path, tmp_path / 'a.onnx')
    monkeypatch.setattr(
        export._Network, 'forward', lambda self, features, masks: torch.fft.rfft(features)
    )
    with pytest.raises(ValueError, match=r'^WeakLocalizer cannot be exported: .*fft') as error:
        export_onnx(config, path, tmp_path / 'a.onnx')
    assert '\n' not in str(error.value)
    monkeypatch.setattr(export, 'HeadLocalizer', DenseLocalizer)
    with pytest.raises(ValueError, match=r'but got WeakLocalizer, which cannot be exported$'):
        export_onnx(config, path, tmp_path / 'a.onnx')
    assert capfd.readouterr() == ('', '')
    assert [file.name for file in tmp_path.iterdir()] == ['weak.pth']


def test_what_is_no_such_file(asl, tmp_path):
    config, path, _ = asl

    def message(file, **settings):
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            TALInferencer(config, file, **{'backend': 'onnxruntime', **settings})
        assert '\n' not in str(error.value)
        return str(error.value)

    assert 'torch2onnx.py writes it, but got' in message(tmp_path / 'none.pth')
    (tmp_path / 'damaged.onnx').write_bytes(path.with_suffix('.onnx').read_bytes()[:1000])
    assert 'expected an ONNX file but got' in message(tmp_path / 'damaged.onnx')
    content = onnx.load(path.with_suffix('.onnx'))
    del content.metadata_props[:]
    onnx.save(content, tmp_path / 'other.onnx')
    assert 'has no asl_mmaction in its metadata' in message(tmp_path / 'other.onnx')
    for device in ('cuda:0', 'mistyped'):
        assert "expected device 'cpu' for onnxruntime" in message(path, device=device)
    assert 'expected backend to be one of' in message(path, backend='tensorrt')
    assert "expected backend 'onnxruntime'" in message(path.with_suffix('.onnx'), backend='torch')


def test_a_file_of_other_weights_than_the_checkpoint_beside_it(asl, tmp_path):
    """Such as one that was exported before another training."""
    config, path, _ = asl
    content = torch.load(path, weights_only=True)
    content['state_dict']['head.cls_out.bias'] += 1
    torch.save(content, tmp_path / 'asl.pth')
    shutil.copy(path.with_suffix('.onnx'), tmp_path)
    with pytest.raises(
        ValueError, match=r'asl\.onnx with the weights of .*asl\.pth but it was exp'
    ):
        TALInferencer(config, tmp_path / 'asl.pth', backend='onnxruntime')
    (tmp_path / 'asl.pth').unlink()  # alone, the file is what is asked for
    TALInferencer(config, tmp_path / 'asl.pth', backend='onnxruntime')


@pytest.mark.parametrize('text', ['not JSON', '[]', '{}', '3', '[' * 100000])
def test_metadata_that_are_not_ours(asl, tmp_path, text):
    config, path, _ = asl
    content = onnx.load(path.with_suffix('.onnx'))
    onnx.helper.set_model_props(content, {ABOUT: text})
    onnx.save(content, tmp_path / 'a.onnx')
    with pytest.raises(ValueError, match=r'a\.onnx: metadata: expected dataset_meta, .* but got'):
        TALInferencer(config, tmp_path / 'a.onnx', backend='onnxruntime')


def test_without_the_package(asl, monkeypatch):
    config, path, _ = asl
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ImportError, match=r'not installed: pip install onnx onnxruntime$'):
        OnnxNetwork(path.with_suffix('.onnx'))
    with pytest.raises(ImportError, match='expected onnxruntime'):
        export_onnx(config, path, path.with_name('again.onnx'))
