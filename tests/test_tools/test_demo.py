"""The demo on few sequences for one epoch, and the analysis tools on what it leaves."""

import importlib.util
import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import image

from asl_mmaction.apis import measure_weights
from asl_mmaction.datasets.preparation.synthetic import CLASSES, MOMENTS, generate

TOOLS = Path(__file__).parents[2] / 'tools'


def load_tool(name):
    spec = importlib.util.spec_from_file_location(Path(name).stem, TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # a tool finds its neighbors
        patch.syspath_prepend(Path(spec.origin).parent)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """``out`` (what the demo printed), ``work`` and ``data`` (its folders, under another name)."""
    folder = tmp_path_factory.mktemp('demo')
    tool = load_tool('demo')
    tool.generate = partial(generate, num_train=8, num_test=4)
    with pytest.MonkeyPatch.context() as patch, open(folder / 'out.txt', 'w+') as out:
        patch.chdir(folder)
        patch.setattr('sys.stdout', out)
        options = ['--work-dir', 'work', '--data-root', 'seq', '--epochs', '6', '--seed', '3']
        assert tool.main(options) == 0
        out.seek(0)
        return SimpleNamespace(out=out.read(), work=folder / 'work', data=folder / 'seq')


def test_it_ends_with_its_numbers(demo):
    metrics = json.loads((demo.work / 'metrics.json').read_text())['metrics']
    last = demo.out.splitlines()[-1]
    match = re.fullmatch(r'demo: mAP@0\.5 (\d+\.\d)  avg (\d+\.\d)  \(\d+ s\)', last)
    assert match, last
    assert match.groups() == (f'{100 * metrics["mAP@0.50"]:.1f}', f'{100 * metrics["mAP"]:.1f}')


def test_it_prints_progress_and_a_row_for_each_class_but_no_log(demo):
    assert re.search(r'^training: epoch 6 of 6, loss \d+\.\d{3}$', demo.out, re.M)
    for name, moment in MOMENTS.items():
        (row,) = re.findall(rf'^ *{name} .*$', demo.out, re.M)
        assert f'{moment:+.2f}' in row.split()
    assert 'INFO' not in demo.out
    (log,) = re.findall(r'^log: (.*)$', demo.out, re.M)
    (text,) = Path(log).glob('*.log')
    assert 'INFO' in text.read_text()


def test_it_leaves_detections_and_pictures(demo):
    results = json.loads((demo.work / 'detections.json').read_text())['results']
    assert sorted(results) == [f'test_{index:04d}' for index in range(4)]
    for name in ('timeline.png', 'sensitivity.png'):
        assert image.imread(demo.work / name).std() > 0.05
        assert str(demo.work / name) in demo.out


def test_seed_and_folders_are_those_asked_for(demo):
    (config,) = demo.work.glob('*.py')
    text = config.read_text()
    assert re.search(r"seed['\"]?[=:] ?3\b", text)
    assert "data_root='seq'" in text


def test_visualize_draws_each_video(demo, tmp_path, capsys):
    tool = load_tool('analysis/visualize')
    files = [str(demo.work / 'detections.json'), str(demo.data / 'annotations.json')]
    assert tool.main([*files, '--out', str(tmp_path)]) == 0
    assert len(list(tmp_path.glob('test_*.png'))) == 4
    checkpoint = str(next(demo.work.glob('*.pth')))
    config = str(next(demo.work.glob('*.py')))
    only = ['--videos', 'test_0002', '--sensitivity', config, checkpoint]
    assert tool.main([*files, '--out', str(tmp_path / 'one'), *only]) == 0
    assert [path.name for path in (tmp_path / 'one').iterdir()] == ['test_0002.png']
    with pytest.raises(SystemExit):
        tool.main([*files, '--out', str(tmp_path), '--videos', 'other'])
    assert "but got 'other'" in capsys.readouterr().err
    for name in files:  # a name that would put the picture elsewhere
        text = Path(name).read_text().replace('"test_0002"', '"../x"')
        (tmp_path / Path(name).name).write_text(text)
    files = [str(tmp_path / Path(name).name) for name in files]
    with pytest.raises(SystemExit):
        tool.main([*files, '--out', str(tmp_path / 'one'), '--videos', '../x'])
    assert "stays inside its folder but got '../x'" in capsys.readouterr().err
    assert not (tmp_path / 'x.png').exists()


def test_own_data_is_not_replaced(tmp_path, capsys):
    (tmp_path / 'annotations.json').write_text('mine')
    with pytest.raises(SystemExit) as caught:
        load_tool('demo').main(['--data-root', str(tmp_path), '--work-dir', str(tmp_path / 'work')])
    assert caught.value.code == 2
    assert "but it holds 'annotations.json' of another origin" in capsys.readouterr().err
    assert (tmp_path / 'annotations.json').read_text() == 'mine'
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('epochs', [0, 5])
def test_a_demo_as_short_as_the_warm_up_does_not_start(tmp_path, capsys, epochs):
    options = ['--data-root', str(tmp_path / 'seq'), '--work-dir', str(tmp_path / 'work')]
    with pytest.raises(SystemExit) as caught:
        load_tool('demo').main([*options, '--epochs', str(epochs)])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f'expected --epochs of 6 or more but got {epochs}: ' in line
    assert list(tmp_path.iterdir()) == []


def test_plot_sensitivity_draws_and_prints(demo, tmp_path, capsys):
    tool = load_tool('analysis/plot_sensitivity')
    files = [str(next(demo.work.glob('*.py'))), str(next(demo.work.glob('*.pth')))]
    planted = ['--planted', str(demo.data / 'annotations.json')]
    assert tool.main([*files, '--out', str(tmp_path / 'a.png'), *planted]) == 0
    assert image.imread(tmp_path / 'a.png').std() > 0.05
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(':')[0] for line in lines[:-1]] == list(CLASSES)
    assert all(
        re.search(r'cls mu [+-]\d\.\d+ sigma \d\.\d+, loc mu -0\.\d+', line) for line in lines[:-1]
    )
    with pytest.raises(SystemExit):
        tool.main(['none.py', files[1]])
    assert 'none.py' in capsys.readouterr().err
    (tmp_path / 'broken.py').write_text('model = dict(')
    (tmp_path / 'damaged.pth').write_bytes(Path(files[1]).read_bytes()[:1000])
    drawn = [str(demo.work / 'detections.json'), str(demo.data / 'annotations.json')]
    mains = (tool.main, []), (load_tool('analysis/visualize').main, [*drawn, '--sensitivity'])
    for config, checkpoint, message in (
        (str(tmp_path / 'broken.py'), files[1], 'broken.py: SyntaxError: '),
        ('asl_mmaction::asl/none.py', files[1], 'cannot read asl_mmaction::asl/none.py: '),
        (files[0], str(tmp_path / 'damaged.pth'), 'damaged.pth: it is damaged'),
    ):
        for main, options in mains:
            with pytest.raises(SystemExit) as caught:
                main([*options, config, checkpoint])
            assert caught.value.code == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert message in line
    (tmp_path / 'bare.json').write_text('{"database": {}}')
    with pytest.raises(SystemExit):
        tool.main([*files, '--planted', str(tmp_path / 'bare.json')])
    assert "expected 'planted'" in capsys.readouterr().err


def test_plot_sensitivity_draws_the_frames_of_a_recording(demo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(demo.data.parent)  # its config names the data from there
    files = [str(next(demo.work.glob('*.py'))), str(next(demo.work.glob('*.pth')))]
    out = tmp_path / 'frames.svg'
    options = ['--recording', 'test_0001', '--to', '20', '--out', str(out)]
    load_tool('analysis/plot_sensitivity').main([*files, *options])
    assert '>test_0001: what each frame weighs in training</text>' in out.read_text()
    assert capsys.readouterr().out.endswith(f'wrote {out}\n')


def test_measure_weights_prints_what_was_measured(demo, capsys, monkeypatch):
    monkeypatch.chdir(demo.data.parent)  # its config names the data from there
    files = [str(next(demo.work.glob('*.py'))), str(next(demo.work.glob('*.pth')))]
    tool = load_tool('analysis/measure_weights')
    assert tool.main([*files, '--batches', '2']) == 0
    lines = capsys.readouterr().out.splitlines()
    lines = lines[lines.index(next(line for line in lines if line.startswith('weights'))) :]
    effect = measure_weights(*files, num_batches=2)
    rows = {line[:29].strip(): line[29:].split() for line in lines if line.startswith('  ')}
    assert list(rows) == ['classification', 'localization', 'both', 'contrast', 'quality']
    assert lines[1].split()[1:] == [
        f'{x:.4f}' for x in np.quantile(effect.weights['cls'], (0.01, 0.1, 0.5, 0.9, 0.99))
    ]
    assert rows['both'] == [f'{x:.4f}' for x in effect.weighed['both']]
    assert rows['quality'] == [f'{x:.4f}' for x in effect.others['loss_sensitivity'][:2]]
    assert max(map(len, lines)) < 80
    assert lines[-1] == f'cosine of one batch and the next: {effect.between_batches:.3f}'
    with pytest.raises(SystemExit) as caught:
        tool.main([*files, '--batches', '0'])
    assert caught.value.code == 2
    assert 'expected --batches N >= 1 but got 0' in capsys.readouterr().err
