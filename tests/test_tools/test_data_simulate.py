import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from asl_mmaction.evaluation import VideoScoreFusion

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location('simulate', ROOT / 'tools/data/simulate.py')
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def run(tmp_path):
    def video(subset):
        annotations = [{'segment': [1, 3], 'label': 'run'}]
        return {'subset': subset, 'duration': 9.0, 'fps': 20, 'annotations': annotations}

    names = {'a': 'training', 'b': 'test', 'c': 'training', 'd': 'test'}
    content = {
        'classes': ['jump', 'run'],
        'database': {name: video(subset) for name, subset in names.items()},
    }
    (tmp_path / 'given.json').write_text(json.dumps(content))
    (tmp_path / 'config.py').write_text(
        f"""
train_dataloader = dict(dataset=dict(
    data_root='{tmp_path}', ann_file='given.json', feature_file='x_{{video}}.npy',
    grid=dict(feat_stride=4, clip_len=8), pipeline=[dict(type='LoadFeature', feat_dim=3)],
))
"""
    )

    def run(*argv):
        out = ['--out', str(tmp_path / 'out')]
        try:
            return tool.main([str(tmp_path / 'config.py'), *out, *map(str, argv)])
        except SystemExit as end:
            return end.code

    return run


JOINED = """
dataset = train_dataloader['dataset']
train_dataloader = dict(dataset=dict(type='RepeatDataset', times=2, dataset=dict(
    type='ConcatDataset', datasets=[dict(dataset, subset='training'), dict(dataset, subset='more')],
)))
test_dataloader = dict(dataset=dict(dataset, subset='test'))
"""


def test_several_datasets_of_the_same_files_are_simulated_as_one(run, tmp_path, capsys):
    path = tmp_path / 'config.py'
    path.write_text(path.read_text() + JOINED)
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'SIMULATED features of 4 videos' in lines[0]
    root = tmp_path / 'out'
    assert lines[-1] == (
        'use them with: --cfg-options '
        f'train_dataloader.dataset.dataset.datasets.0.data_root={root} '
        f'train_dataloader.dataset.dataset.datasets.1.data_root={root} '
        f'test_dataloader.dataset.data_root={root}'
    )


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ("['datasets'][1]['ann_file'] = 'b.json'", "ann_file .* 'given.json' in .* 'b.json' in"),
        (
            "['datasets'][1]['data_root'] = 'b'",
            "the same data_root in all datasets .* and 'b' in",
        ),
        ("['datasets'][0]['grid'] = dict(fps=3)", 'the same grid.fps in all datasets but got 3 in'),
        (
            "['datasets'][1]['pipeline'] = [dict(type='LoadFeature', feat_dim=4)]",
            'the same pipeline.0.feat_dim in all datasets but got 3 in train_dataloader.* and 4 in',
        ),
    ],
)
def test_datasets_of_different_files_are_refused(run, tmp_path, capsys, line, message):
    path = tmp_path / 'config.py'
    text = path.read_text() + JOINED
    path.write_text(f"{text}train_dataloader['dataset']['dataset']{line}\n")
    assert run() == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / 'out').exists()


def test_files(run, tmp_path, capsys):
    assert run('--limit', 1) == 0
    assert 'SIMULATED features of 2 videos' in capsys.readouterr().out
    features = tmp_path / 'out' / 'features'
    assert {path.name for path in features.iterdir()} == {'x_a.npy', 'x_b.npy', 'SIMULATED.txt'}
    feature = np.load(features / 'x_a.npy')
    assert feature.shape == ((180 - 8) // 4 + 1, 3)
    content = json.loads((tmp_path / 'out' / 'given.json').read_text())
    assert list(content['database']) == ['a', 'b']
    assert 'SIMULATED' in content['version']


def test_a_second_run_replaces_the_first(run, tmp_path):
    assert run() == 0
    assert run('--seed', 3) == 0
    content = json.loads((tmp_path / 'out' / 'given.json').read_text())
    assert content['simulated']['seed'] == 3


@pytest.mark.parametrize('made', ['features/x_a.npy', 'annotations.json'])
def test_real_features_and_annotations_are_not_replaced(run, tmp_path, capsys, made):
    real = tmp_path / 'out' / made
    real.parent.mkdir(parents=True)
    real.write_text('real')
    assert run() == 2
    assert f'but it holds {made!r} of another origin' in capsys.readouterr().err
    assert real.read_text() == 'real'
    assert len(list((tmp_path / 'out').rglob('*'))) == made.count('/') + 1


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'../../a': {}}, "video '../../a': expected a video name that stays inside its folder"),
        ({'a': {'annotations': [{'segment': [1, 2], 'label': 'x'}]}}, "video 'a': expected the sc"),
        ({'a': {'duration': '9'}}, "video 'a': expected the schema of TALDataset but got TypeErr"),
        ({'a': {'fps': None}}, "video 'a': expected fps to be a number but got None"),
    ],
)
def test_mistakes_in_the_annotations_name_file_and_video(run, tmp_path, capsys, change, message):
    path = tmp_path / 'given.json'
    content = json.loads(path.read_text())
    for name, video in change.items():
        content['database'][name] = {**content['database']['b'], **video}
    path.write_text(json.dumps(content))
    assert run() == 2
    assert f'given.json: {message}' in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['config.py', 'given.json']


def test_scores_of_videos_where_the_config_fuses_them(run, tmp_path, capsys):
    argv = ('--cfg-options', 'test_evaluator.score_fusion.path=data/scores.npy')
    assert run(*argv) == 0
    assert run(*argv) == 0
    path = tmp_path / 'out' / 'scores.json'
    assert f'test_evaluator.score_fusion.path={path}' in capsys.readouterr().out
    content = json.loads(path.read_text())
    assert 'SIMULATED' in content['simulated']['note']
    fusion = VideoScoreFusion(path=str(path), top_k=1)
    labels = {video: fusion.top_classes(video, ['jump', 'run'])[0].tolist() for video in 'abcd'}
    assert list(labels.values()) == [[1]] * 4


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (('--limit', 0), 'expected --limit >= 1 but got 0'),
        (('--seed', -1), 'expected seed >= 0 but got -1'),
        (
            ('--cfg-options', 'train_dataloader.dataset.feature_file=[{video}.npy,b_{video}.npy]'),
            "expected 1 feature_file, one a source, but got ['{video}.npy', 'b_{video}.npy']",
        ),
        (
            ('--cfg-options', 'train_dataloader.dataset.pipeline.0.type=Load'),
            'expected one LoadFeature in the pipeline but got 0',
        ),
        (('--annotations', 'none.json'), 'none.json, which does not exist'),
        (
            ('--cfg-options', 'train_dataloader.dataset.feature_file={video}.csv'),
            'expected a .npy, .npz or .pt feature_file',
        ),
    ],
)
def test_mistakes_leave_nothing_behind(run, tmp_path, capsys, argv, message):
    assert run(*argv) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config.py', 'given.json']


@pytest.mark.parametrize(
    ('text', 'key'),
    [
        ('a = 1', 'ann_file'),
        ("train_dataloader = dict(dataset=dict(ann_file='given.json'))", 'pipeline'),
    ],
)
def test_a_config_without_training_data(run, tmp_path, capsys, text, key):
    (tmp_path / 'config.py').write_text(text)
    assert run() == 2
    message = f'expected a train_dataloader.dataset with {key} in {tmp_path / "config.py"} but it'
    assert message in capsys.readouterr().err
