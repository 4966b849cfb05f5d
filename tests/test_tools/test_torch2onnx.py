"""tools/deployment/torch2onnx.py, and tools/infer.py with what it writes."""

import json
import re

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

from asl_mmaction.apis import load_config

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')


@pytest.fixture
def work_dir(tmp_path):
    """What a training of a narrow TriDet leaves, which is certain of what it finds."""
    settings = {
        'model.projection.out_channels': 16,
        'model.data_preprocessor.size_divisor': 2,
        'model.neck.num_levels': 2,
        'model.neck.window_size': 1,
        'model.head.strides': [1, 2],
        'model.head.regress_ranges': [[0, 4], [4, 10000]],
    }
    config = load_config('tridet_hapt', settings)
    folder = tmp_path / 'work'
    folder.mkdir()
    config.dump(folder / 'my_tridet.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        state = MODELS.build(config.model).state_dict()
    state['head.cls_out.bias'] += 4
    meta = {'dataset_meta': {'classes': [f'class {label}' for label in range(12)]}}
    torch.save({'meta': meta, 'state_dict': state}, folder / 'epoch_3.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    np.save(tmp_path / 'a.npy', np.random.default_rng(0).normal(size=(20, 300)))
    return folder


def test_a_work_dir_is_exported_and_infers_the_same(work_dir, load_tool, capsys):
    assert load_tool('deployment/torch2onnx').main([str(work_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ['batch', 'steps', 'segments', 'scores', 'point_masks']
    trials = [line.split() for line in lines[2:-2]]
    assert [trial[:2] for trial in trials] == [
        ['1', '1'], ['3', '2'], ['2', '3'], ['1', '500'], ['3', '500']
    ]  # fmt: skip
    assert all(float(value) <= 1e-5 for trial in trials for value in trial[2:])
    out = work_dir / 'epoch_3.onnx'
    assert lines[-1] == (
        f'wrote {out}: features (batch, steps, 300) float32, masks (batch, steps) bool; '
        'any batch, any steps, a multiple of 2'
    )
    found = {}
    for backend in ('torch', 'onnxruntime'):
        folder = work_dir.parent / backend
        words = [work_dir, work_dir.parent / 'a.npy', '--out', folder, '--draw', 'none']
        words += ['--backend', backend, '--device', 'cpu']
        assert load_tool('infer').main([str(word) for word in words]) == 0
        name = 'epoch_3.onnx' if backend == 'onnxruntime' else 'epoch_3.pth'
        assert f'{name}), cpu' in capsys.readouterr().out
        found[backend] = json.loads((folder / 'detections.json').read_text())['results']['a']
    assert len(found['torch']) == len(found['onnxruntime']) > 0
    for ours, theirs in zip(found['onnxruntime'], found['torch'], strict=True):
        assert ours['label'] == theirs['label']
        assert ours['segment'] == pytest.approx(theirs['segment'], abs=1e-4)
        assert ours['score'] == pytest.approx(theirs['score'], abs=1e-4)


def test_what_cannot_be_exported_is_refused_in_one_line(work_dir, load_tool, capsys):
    options = ['--cfg-options', 'model.head.num_bins=4']
    with pytest.raises(SystemExit):
        load_tool('deployment/torch2onnx').main([str(work_dir), *options])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search('expected the weights of this config but', lines[0])
    assert not list(work_dir.glob('*.onnx*'))
