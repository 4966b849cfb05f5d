"""tools/test.py: the numbers and files of a checkpoint."""

import importlib.util
import json
import pickle
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from asl_mmaction.apis import TALInferencer

TEST = Path(__file__).parents[2] / 'tools' / 'test.py'


@pytest.fixture
def run_test(tmp_path, monkeypatch):
    """Run the tool in this process, in a folder of its own."""
    spec = importlib.util.spec_from_file_location('tool', TEST)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [str(TEST)])

    def run(*arguments):
        return tool.main([*map(str, arguments), '--work-dir', 'work'])

    return run


@pytest.fixture
def checkpoint(tiny_config, tmp_path, demo_data):
    """Path of untrained weights as the Runner saves them."""
    config = Config.fromfile(tiny_config)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    # Scores all over the place, so that there is something to detect.
    torch.nn.init.zeros_(model.head.cls_out.bias)
    classes = json.loads((demo_data / 'annotations.json').read_text())['classes']
    path = tmp_path / 'checkpoint.pth'
    content = {'state_dict': model.state_dict(), 'meta': {'dataset_meta': {'classes': classes}}}
    torch.save(content, path)
    return path


def test_out_gets_detections_and_metrics(
    double, run_test, tiny_config, checkpoint, tmp_path, demo_data, capsys
):
    out = tmp_path / 'a' / 'b'
    assert run_test(tiny_config, checkpoint, '--out', out) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f'wrote {out}/detections.json, {out}/metrics.json'
    files = {path.name: json.loads(path.read_text()) for path in (tmp_path / 'a/b').iterdir()}
    assert set(files) == {'detections.json', 'metrics.json'}
    database = json.loads((demo_data / 'annotations.json').read_text())['database']
    videos = sorted(name for name, video in database.items() if video['subset'] == 'test')
    results = files['detections.json']['results']
    assert sorted(results) == videos
    inferencer = TALInferencer(tiny_config, checkpoint, device='cpu')
    for name in videos:
        feature = demo_data / 'features' / f'{name}.npy'
        duration = database[name]['duration']
        (found,) = inferencer({'feature': feature, 'duration': duration})['predictions']
        assert len(results[name]) == len(found['detections']) > 0
        for ours, theirs in zip(results[name], found['detections'], strict=True):
            assert ours['label'] == theirs['label']
            assert ours['score'] == pytest.approx(theirs['score'])
            assert ours['segment'] == pytest.approx(theirs['segment'])
    metrics = files['metrics.json']
    assert metrics['protocol']['videos'] == len(videos)
    assert 0 <= metrics['metrics']['mAP@0.50'] <= 1


def test_without_out_nothing_is_written_but_the_log(run_test, tiny_config, checkpoint, tmp_path):
    assert run_test(tiny_config, checkpoint) == 0
    assert not list(tmp_path.rglob('detections.json'))


def test_where_another_test_wrote_is_left_alone(run_test, tiny_config, checkpoint, tmp_path):
    """The config that a test leaves does not write where that test wrote; nor do older ones."""
    assert run_test(tiny_config, checkpoint, '--out', tmp_path / 'first') == 0
    left = tmp_path / 'work' / 'tiny.py'
    assert 'first' not in left.read_text()
    old = "test_evaluator = dict(out_dir='first')"
    tiny_config.write_text(f'{tiny_config.read_text()}\n{old}\n')
    for path in (tmp_path / 'first').iterdir():
        path.unlink()
    for config in (left, tiny_config):
        assert run_test(config, checkpoint) == 0
    assert list((tmp_path / 'first').iterdir()) == []
    log = '\n'.join(path.read_text() for path in tmp_path.glob('work/*/*.log'))
    said = f'test_evaluator.out_dir=first of {tiny_config} has no effect: the option --out asks'
    assert log.count(said) == 1
    options = ['--cfg-options', f'test_evaluator.out_dir={tmp_path}/asked']  # of this run
    assert run_test(tiny_config, checkpoint, *options) == 0
    assert (tmp_path / 'asked' / 'detections.json').is_file()


def test_the_config_of_a_training_stays(run_test, tiny_config, checkpoint, tmp_path):
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work' / 'tiny.py').write_text('of a training')
    (tmp_path / 'work' / 'last_checkpoint').write_text(str(checkpoint))
    assert run_test(tiny_config, checkpoint) == 0
    assert (tmp_path / 'work' / 'tiny.py').read_text() == 'of a training'
    (path,) = (tmp_path / 'work').glob('*/tiny.py')
    assert Config.fromfile(path).model.type == 'DenseLocalizer'


@pytest.mark.parametrize('resume', [False, True])
def test_weights_that_the_training_started_from_do_not_replace_the_tested(
    run_test, tiny_config, checkpoint, tmp_path, resume
):
    content = torch.load(checkpoint, weights_only=True)
    other = {key: torch.zeros_like(value) for key, value in content['state_dict'].items()}
    torch.save({**content, 'state_dict': other}, tmp_path / 'other.pth')
    results = []
    for text in ('', f"load_from = '{tmp_path}/other.pth'\nresume = {resume}\n"):
        tiny_config.write_text(f'{tiny_config.read_text()}\n{text}')
        assert run_test(tiny_config, checkpoint, '--out', tmp_path / 'out') == 0
        results.append((tmp_path / 'out' / 'detections.json').read_bytes())
    assert results[0] == results[1]


def test_an_out_that_cannot_be_written_stops_before_the_run(
    run_test, tiny_config, checkpoint, tmp_path, capsys
):
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit) as caught:
        run_test(tiny_config, checkpoint, '--out', tmp_path / 'file')
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert f'expected a folder to write into but got {tmp_path}/file: ' in lines[-1]
    assert not any('Epoch(test)' in line for line in lines)


def test_scores_of_the_videos_are_read_before_the_test(
    run_test, tiny_config, checkpoint, capsys, monkeypatch
):
    monkeypatch.setattr(Runner, 'test', lambda _: pytest.fail('started'))
    text = "test_evaluator = dict(score_fusion=dict(type='VideoScoreFusion', path='scores.json'))"
    tiny_config.write_text(f'{tiny_config.read_text()}\n{text}\n')
    with pytest.raises(SystemExit) as caught:
        run_test(tiny_config, checkpoint)
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith('file of video scores but got scores.json, which does not exist')


@pytest.fixture
def unlabelled(tiny_config, demo_data, tmp_path):
    """The test data without its annotations, as of a challenge."""
    content = json.loads((demo_data / 'annotations.json').read_text())
    for video in content['database'].values():
        if video['subset'] == 'test':
            video['annotations'] = []
    path = tmp_path / 'unlabelled.json'
    path.write_text(json.dumps(content))
    line = f"test_dataloader['dataset']['ann_file'] = '{path}'"
    tiny_config.write_text(f'{tiny_config.read_text()}\n{line}\n')


@pytest.mark.usefixtures('unlabelled')
def test_without_annotations_detections_are_written_and_no_number(
    run_test, tiny_config, checkpoint, tmp_path, capfd
):
    assert run_test(tiny_config, checkpoint, '--out', tmp_path / 'out') == 0
    log = capfd.readouterr().out
    assert 'nothing to score, since none of 5 videos has annotated actions' in log
    assert 'mAP' not in log.rpartition('Epoch(test)')[2]
    detections = json.loads((tmp_path / 'out' / 'detections.json').read_text())['results']
    assert len(detections) == 5
    assert all(detections.values())
    assert json.loads((tmp_path / 'out' / 'metrics.json').read_text())['metrics'] == {}


@pytest.mark.usefixtures('unlabelled')
def test_without_annotations_and_out_there_is_nothing_to_do(
    run_test, tiny_config, checkpoint, capsys
):
    with pytest.raises(SystemExit) as caught:
        run_test(tiny_config, checkpoint)
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert 'error: expected annotated actions to score with TALMetric but got none in' in last
    assert last.endswith('--out DIR writes the detections, unscored')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda names: names[::-1], 'but got 5, of which number 0 is'),
        (lambda names: [*names[:4], 'jump'], "of which number 4 is 'late' instead of 'jump'"),
        (lambda names: names[:4], 'expected 5 classes (model.head.num_classes) but got 4'),
        (lambda names: None, None),  # converted: it has no names
    ],
)
def test_classes_of_the_checkpoint_are_those_of_the_data(
    run_test, tiny_config, checkpoint, capsys, change, message
):
    content = torch.load(checkpoint, weights_only=True)
    meta = content['meta']['dataset_meta']
    meta['classes'] = change(meta['classes'])
    torch.save(content, checkpoint)
    if message is None:
        assert run_test(tiny_config, checkpoint) == 0
        return
    with pytest.raises(SystemExit) as caught:
        run_test(tiny_config, checkpoint)
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert message in last
    assert 'checkpoint.pth' in last


def other_weights(path):
    torch.save({'state_dict': {'a.weight': torch.zeros(1)}}, path)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda path: None, 'does not exist'),
        (lambda path: path.write_text('no checkpoint'), 'could not read'),
        (lambda path: path.write_bytes(pickle.dumps(print)), 'could not read'),
        (lambda path: torch.save([1], path), "'state_dict'"),
        (other_weights, 'expected the weights of this config but'),
    ],
)
def test_a_wrong_checkpoint_ends_in_one_line(
    run_test, tiny_config, tmp_path, capsys, make, message
):
    path = tmp_path / 'given.pth'
    make(path)
    with pytest.raises(SystemExit) as caught:
        run_test(tiny_config, path)
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('test.py: error: ')
    assert message in last
    assert 'given.pth' in last
