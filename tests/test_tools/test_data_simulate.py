import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from asl_mmaction.models.post_processors import VideoScoreFusion

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
        return tool.main([str(tmp_path / 'config.py'), *out, *map(str, argv)])

    return run


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


def test_a_second_run_replaces_the_first_only_if_simulated(run, tmp_path, capsys):
    path = tmp_path / 'given.json'
    path.rename(tmp_path / 'annotations.json')
    argv = ('--annotations', tmp_path / 'annotations.json')
    argv += ('--cfg-options', 'train_dataloader.dataset.ann_file=annotations_run.json')
    assert run(*argv) == 0
    assert run(*argv, '--seed', 3) == 0
    content = json.loads((tmp_path / 'out' / 'annotations_run.json').read_text())
    assert content['simulated']['seed'] == 3
    (tmp_path / 'out' / 'features' / 'SIMULATED.txt').unlink()
    before = sorted((tmp_path / 'out' / 'features').iterdir())
    assert run(*argv) == 1
    assert 'holds others; not replaced' in capsys.readouterr().err
    assert sorted((tmp_path / 'out' / 'features').iterdir()) == before


def test_scores_of_videos_where_the_config_fuses_them(run, tmp_path, capsys):
    argv = ('--cfg-options', "test_evaluator.score_fusion.type='VideoScoreFusion'")
    assert run(*argv) == 0
    path = tmp_path / 'out' / 'features' / 'video_scores.json'
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
        (('--annotations', 'none.json'), 'none.json: no such file'),
        (
            ('--cfg-options', 'train_dataloader.dataset.feature_file={video}.csv'),
            'expected a .npy, .npz or .pt feature_file',
        ),
    ],
)
def test_mistakes_leave_nothing_behind(run, tmp_path, capsys, argv, message):
    assert run(*argv) == 1
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['config.py', 'given.json']
