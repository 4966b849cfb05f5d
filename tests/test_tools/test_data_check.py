import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from asl_mmaction.datasets.transforms import notices

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location('check_data', ROOT / 'tools/data/check.py')
tool = importlib.util.module_from_spec(spec)
sys.modules['check_data'] = tool
spec.loader.exec_module(tool)

CONFIG = """
pipeline = [
    dict(type='LoadFeature', feat_dim=3),
    dict(type='RandomTruncate', max_len=2),
    dict(type='PackTALInputs'),
]
dataset = dict(
    type='TALDataset', ann_file='ann.json', data_root={root!r}, pipeline=pipeline,
    grid=dict(fps=10, feat_stride=4, clip_len=8),
)
train_dataloader = dict(
    dataset=dict(subset='training', filter_cfg=dict(min_duration=99), **dataset))
val_dataloader = dict(dataset=dict(subset='test', test_mode=True, **dataset))
test_dataloader = val_dataloader
"""


def video(subset, *segments):
    annotations = [{'segment': [s, e], 'label': label} for s, e, label in segments]
    return {'subset': subset, 'duration': 20.0, 'annotations': annotations}


@pytest.fixture
def run(tmp_path, capsys):
    """Writes the database and features, runs the check: (exit code, lines)."""

    def check(features=None, **changes):
        database = {
            'a': video('training', (1, 3, 'run'), (2, 5, 'jump')),
            'b': video('training', (1, 3, 'run')),
            'c': video('test', (1, 3, 'run')),
            **changes,
        }
        (tmp_path / 'features').mkdir()
        for name in database:
            feature = (features or {}).get(name, np.zeros((49, 3)))  # of 20 s
            if feature is not None:
                np.save(tmp_path / 'features' / f'{name}.npy', feature)
        (tmp_path / 'ann.json').write_text(json.dumps({'database': database}))
        (tmp_path / 'config.py').write_text(CONFIG.format(root=str(tmp_path)))
        code = tool.main([str(tmp_path / 'config.py')])
        lines = capsys.readouterr().out.splitlines()
        assert not any('mmengine' in line for line in lines)
        lines = [line for line in lines if not line.startswith(str(tmp_path))]  # what was read
        return code, lines

    return check


def test_sound_data(run):
    code, lines = run()
    assert code == 0
    assert [line.split() for line in lines] == [
        ['train', 'val,', 'test'],
        ['videos', '2', '1'],
        ['segments', '3', '1'],
        ['steps', '49..49..49', '49..49..49'],
        ['lengths,', 'steps', '-', '5..5..5'],  # training keeps none that short
        ['jump', '1', '0'],
        ['run', '2', '1'],
        ['no', 'errors'],
    ]


def test_warnings(run):
    segments = [(-1, 3, 'run'), (18, 22, 'run'), (20, 25, 'run'), (4, 4, 'jump')]
    twice = [(5, 6, 'run'), (5, 6, 'run'), (5, 6, 'jump')]
    code, lines = run(a=video('training', *segments, *twice), b=video('training'))
    assert code == 0
    assert [line for line in lines if line.startswith('warning')] == [
        'warning: train: 2 segments partly outside the video: '
        'a -1..3 s of 20 s, a 18..22 s of 20 s',
        'warning: train: 1 segments wholly outside the video: a 20..25 s of 20 s',
        'warning: train: 1 segments without length: a 4..4 s of 20 s',
        'warning: train: 1 segments given twice: a 5..6 s',
        'warning: train: 1 videos without segments: b',
    ]


@pytest.mark.parametrize(
    ('feature', 'message'),
    [
        (np.zeros((49, 4)), r'expected shape (T, 3) or (3, T) but got (49, 4)'),
        (np.zeros((0, 3)), 'expected at least one step'),
        (np.full((49, 3), np.nan), 'expected finite numbers but got NaN or Inf in step 0'),
        (np.zeros((24, 3)), 'expected about 49 steps (20 s, fps 10, feat_stride 4, clip_len 8)'),
        (None, '1 of 2 feature files are missing'),
    ],
)
def test_wrong_features(run, feature, message):
    code, lines = run({'b': feature})
    assert code == 1
    assert lines[-1] == '1 errors'
    assert lines[-2].startswith('error: train: ')
    assert message in lines[-2]
    assert 'b' in lines[-2]


def test_times_in_frames(run):
    code, lines = run(a=video('training', (100, 120, 'run'), (30, 41, 'jump'), (50, 90, 'jump')))
    assert code == 1
    assert lines[-2:] == [
        'error: train: expected segments in seconds but got 3 of 4 wholly outside their video, as '
        'if they were in frames, such as a 100..120 s of 20 s',
        '1 errors',
    ]


def test_a_length_is_told_once(run, monkeypatch):
    logged = []
    monkeypatch.setattr(notices, 'print_log', lambda *args, **kwargs: logged.append(args))
    code, lines = run({'a': np.zeros((10, 3)), 'b': np.zeros((24, 3)), 'c': np.zeros((60, 3))})
    assert (code, lines[-1], logged) == (1, '3 errors', [])


def test_a_little_off_in_length_is_let_pass(run):
    assert run({'b': np.zeros((46, 3))})[0] == 0


def lengths(*durations):
    """A database of recordings of these seconds, and features that were made at 10 fps."""
    database, features = {}, {}
    for index, duration in enumerate(durations):
        name = f'v{index}'
        database[name] = {**video('training', (1, 3, 'run')), 'duration': duration}
        features[name] = np.zeros((int((duration * 10 - 8) / 4 + 1), 3))
    return database, features


def with_grid(run, tmp_path, capsys, line, durations):
    """(exit code, last lines) of data that fit, in a config in which another line was added."""
    database, features = lengths(*durations)
    assert run(features, **database)[0] == 0
    code = tool.main(with_another_line(tmp_path, line))
    return code, [x for x in capsys.readouterr().out.splitlines() if x[:4] in ('erro', 'warn')]


LONG = (250.0, 307.5, 411.1, 620.0)


def test_a_setting_that_would_fit_all_files_is_named(run, tmp_path, capsys):
    line = "for x in (train_dataloader, val_dataloader): x['dataset']['grid']['fps'] = 9.85"
    code, lines = with_grid(run, tmp_path, capsys, line, LONG)
    assert (code, lines) == (
        1,
        [
            "error: train: video 'v0': expected about 614 steps (250 s, fps 9.85, feat_stride 4, "
            'clip_len 8) but got 624, and 3 more like that; fps=10 would fit all 7 files'
        ],
    )


def test_one_data_set_of_two_with_a_wrong_setting(run, tmp_path, capsys):
    """The other one is right, and has another setting."""
    lines = (
        "train_dataloader['dataset']['grid'] = dict(fps=9.85, feat_stride=4, clip_len=8)\n"
        "val_dataloader['dataset']['grid'] = dict(fps=20, feat_stride=8, clip_len=16)"
    )
    code, lines = with_grid(run, tmp_path, capsys, lines, LONG)
    assert code == 1
    assert [line.rpartition('; ')[2] for line in lines] == ['fps=10 would fit all 6 files']


def test_durations_in_minutes(run, tmp_path, capsys):
    with_grid(run, tmp_path, capsys, '', LONG)
    content = json.loads((tmp_path / 'ann.json').read_text())
    for item in content['database'].values():
        item['duration'] /= 60
        for annotation in item['annotations']:
            annotation['segment'] = [second / 60 for second in annotation['segment']]
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    assert tool.main([str(tmp_path / 'config.py')]) == 1
    error = capsys.readouterr().out.splitlines()[-2]
    assert 'durations in minutes instead of seconds, or fps=600 would fit all 7 files' in error


def test_segments_in_minutes(run):
    short = [(second / 60, (second + 1) / 60, 'run') for second in range(4)]
    code, lines = run(a=video('training', *short), b=video('training', short[0]))
    assert code == 0
    assert lines[-2] == (
        'warning: train: expected segments in seconds but got 5 that all end in the first 1/60 of '
        'their video, as if they were in minutes'
    )


def test_a_constant_number_of_steps_too_many_in_all_files(run, tmp_path, capsys):
    database, features = lengths(*LONG)
    features = {name: np.zeros((len(x) + 1, 3)) for name, x in features.items()}
    code, lines = run({**features, 'a': np.zeros((50, 3)), 'b': np.zeros((50, 3))}, **database)
    assert code == 0
    assert lines[-2] == (
        'warning: train: all 6 files have 1 step more than expected; clip_len=4 would fit them'
    )


MODEL = """
model = dict(
    type='DenseLocalizer',
    data_preprocessor=dict(type='FeaturePreprocessor', size_divisor=2),
    projection=dict(type='ConvProjection', in_channels=3, out_channels=4),
    neck=dict(type='TransformerPyramid', num_heads=1, num_levels=2, stem_depth=1, window_size=3),
    head=dict(
        type='PointHead', num_classes=2, feat_channels=4, strides=[1, 2],
        regress_ranges=[(0, 4), ({low}, 10000)], assigner=dict(center_sampling_radius=1.5)),
    post_processor=dict(type='SoftNMSPostProcessor'),
)
"""


def findings(tmp_path, capsys, line):
    code = tool.main(with_another_line(tmp_path, line))
    lines = capsys.readouterr().out.splitlines()
    return code, [line for line in lines if line.startswith(('warning', 'error'))]


def without_filter(low):
    return f"train_dataloader['dataset']['filter_cfg'] = None\n{MODEL.format(low=low)}"


def test_a_config_of_ours_with_its_model(tiny_config, capsys):
    assert tool.main([str(tiny_config)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == 'no errors'


def test_segments_without_a_point_are_warned_of(run, tmp_path, capsys):
    """Steps stand at 0.4, 0.8, ..., 19.6 s."""
    lost = [(0, 0.3, 'run'), (1.25, 1.55, 'run'), (19.7, 20, 'run')]
    run(a=video('training', *lost, (2, 5, 'jump'), (6, 9, 'run'), (10, 13, 'run')))
    named = ['before the first step: a 0..0.3 s run (0.75 steps)']
    named += ['between two steps: a 1.25..1.55 s run (0.75 steps)']
    named += ['behind the last step: a 19.7..20 s run (0.75 steps)']
    assert findings(tmp_path, capsys, without_filter(4)) == (
        0,
        [f'warning: train: 1 segments that nothing is learned of, {text}' for text in named],
    )
    kept = without_filter(4).replace('None', 'dict(min_duration=0.5)')  # which leaves them out
    assert findings(tmp_path, capsys, kept) == (0, [])


def test_share_without_a_point(run, tmp_path, capsys):
    run(a=video('training', (1.25, 1.55, 'run'), (2, 5, 'jump'), (6, 9, 'run')))
    capsys.readouterr()
    tool.main(with_another_line(tmp_path, without_filter(0)))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ['lengths,', 'steps', '0.75..6.25..7.5', '5..5..5'] in rows  # of a, and 5 of b
    (share,) = (row for row in rows if row[:1] == ['without'])
    assert share == ['without', 'a', 'point', '1', '(25', '%)', '0', '(0', '%)']


def test_draw(run, tmp_path, capsys):
    """Videos with actions, first to last; a picture for each."""
    more = {name: video('training', (1, 3, 'run'), (2, 9, 'jump')) for name in 'fgh'}
    run(e=video('training'), **more)
    out = tmp_path / 'pictures'
    capsys.readouterr()
    tool.main([str(tmp_path / 'config.py'), '--draw', '3', '--out', str(out)])
    assert f'3 pictures of train written to {out}' in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == ['a.png', 'f.png', 'h.png']
    assert all(path.read_bytes().startswith(b'\x89PNG') for path in out.iterdir())


def test_most_segments_or_a_class_without_a_point_are_an_error(run, tmp_path, capsys):
    run(a=video('training', (1.25, 1.55, 'jump'), (2, 5, 'run'), (6, 9, 'run')))
    code, lines = findings(tmp_path, capsys, without_filter(4))
    assert (code, lines[1:]) == (
        1,
        [
            "error: train: expected a point of the model for some segment of class 'jump' but got "
            'none for all 1: see the warnings'
        ],
    )
    # points of (2, 5) are 3.75 to 7.5 steps from its farther end, those of the others likewise
    code, lines = findings(tmp_path, capsys, without_filter(8))
    assert code == 1
    assert (
        'error: train: expected segments that a point of the model is assigned to but got 3 of 4 '
        'without any: see the warnings'
    ) in lines
    assert any('of a length in no regress_range: a 2..5 s run (7.5 steps)' in x for x in lines)


def test_wrong_annotations(run):
    code, lines = run(c=video('test', (3, 1, 'run')))
    assert code == 1
    assert 'error: val, test: ' in lines[-2]
    assert "video 'c': expected a segment [start, end]" in lines[-2]


def test_a_class_that_is_not_trained(run):
    code, lines = run(c=video('test', (1, 3, 'swim')))
    assert code == 0
    assert lines[-2] == 'warning: train: 1 classes without a segment in training: swim'


def test_a_training_without_actions(run):
    code, lines = run(a=video('training'), b=video('training'))
    assert code == 1
    assert lines[-2:] == ['error: train: expected actions to train on but got none', '1 errors']


def test_a_video_in_both(run, tmp_path, capsys):
    run()
    text = (tmp_path / 'config.py').read_text().replace("subset='test'", "subset='training'")
    (tmp_path / 'both.py').write_text(text)
    assert tool.main([str(tmp_path / 'both.py')]) == 1
    assert "error: video 'a' is in val, test and in training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a = 1', 'expected dataloaders in {} but it has none'),
        (
            'train_dataloader = dict(batch_size=2)',
            'expected a dataset in train_dataloader but it has none',
        ),
        (None, 'expected a config file but got {}, which does not exist'),
        (
            "train_dataloader = dict(dataset=dict(type='Tal'))",
            'Tal is not in the mmaction::dataset',
        ),
    ],
)
def test_a_wrong_config_is_one_line(tmp_path, capsys, text, message):
    path = tmp_path / 'none.py'
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as caught:
        tool.main([str(path)])
    assert caught.value.code == 2
    assert message.format(path) in capsys.readouterr().err.splitlines()[-1]


def test_every_damaged_file_is_named(run, tmp_path, capsys):
    run()
    whole = (tmp_path / 'features' / 'a.npy').read_bytes()
    (tmp_path / 'features' / 'a.npy').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'features' / 'b.npy').unlink()
    (tmp_path / 'features' / 'b.npy').mkdir()
    path = tmp_path / 'config.py'
    path.write_text(path.read_text() + 'train_dataloader["dataset"]["backend_args"] = {}\n')
    assert tool.main([str(path)]) == 1
    errors = [e for e in capsys.readouterr().out.splitlines() if e.startswith('error: ')]
    assert len(errors) == 2
    for name, error in zip('ab', errors, strict=True):
        assert error.startswith(f"error: train: video '{name}': {tmp_path}/features/{name}.npy: ")


def with_another_line(tmp_path, line):
    path = tmp_path / 'config.py'
    path.write_text(f'{path.read_text()}{line}\n')
    return [str(path)]


def test_a_pipeline_that_does_not_read(run, tmp_path, capsys):
    run()
    line = "train_dataloader['dataset']['pipeline'] = [dict(type='PackTALInputs')]"
    assert tool.main(with_another_line(tmp_path, line)) == 1
    message = 'error: train: expected a pipeline of LoadFeature and PackTALInputs but got 1 of'
    assert message in capsys.readouterr().out


def test_a_wrapped_dataset(run, tmp_path, capsys):
    code, lines = run()
    repeated = (
        "dict(dataset=dict(type='RepeatDataset', times=2, dataset=train_dataloader['dataset']))"
    )
    assert tool.main(with_another_line(tmp_path, f'train_dataloader = {repeated}')) == code == 0
    assert capsys.readouterr().out.splitlines()[-len(lines) :] == lines


def joined(loader, *parts):
    """A line that has a loader of several parts, each with settings of its own."""
    parts = ', '.join(f"{{**{loader}['dataset'], {settings}}}" for settings in parts)
    return f"{loader} = dict(dataset=dict(type='ConcatDataset', datasets=[{parts}]))"


def test_every_part_of_joined_datasets_is_checked(run, tmp_path, capsys):
    run({'b': np.zeros((49, 4))}, d=video('more', (1, 3, 'run'), (30, 31, 'run')))
    repeated = "dict(type='RepeatDataset', times=2, dataset=train_dataloader['dataset'])"
    lines = (
        f"more = dict(train_dataloader['dataset'], subset='more')\n"
        f"train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[{repeated}, more]))"
    )
    assert tool.main(with_another_line(tmp_path, lines)) == 1
    out = capsys.readouterr().out.splitlines()
    out = [line for line in out if not line.startswith(str(tmp_path))]  # what was read
    assert out[0].split() == ['train', '1', 'train', '2', 'val,', 'test']
    assert [line.split()[1:] for line in out[1:3]] == [['2', '1', '1'], ['3', '2', '1']]
    assert out[-3:-1] == [
        'warning: train 2: 1 segments wholly outside the video: d 30..31 s of 20 s',
        f"error: train 1: video 'b': {tmp_path}/features/b.npy: expected shape (T, 3) or (3, T) "
        'but got (49, 4)',
    ]


def test_a_video_in_two_parts_of_a_training_is_warned_of(run, tmp_path, capsys):
    run()
    line = joined('train_dataloader', "'max_refetch': 1", "'max_refetch': 2")
    assert tool.main(with_another_line(tmp_path, line)) == 0
    warning = 'warning: train 1: 2 videos given twice: a in train 1 and train 2, b in train 1 and'
    assert warning in capsys.readouterr().out


def test_a_video_in_two_parts_of_a_test_is_an_error(run, tmp_path, capsys):
    run()
    line = joined('test_dataloader', '', '')
    assert tool.main(with_another_line(tmp_path, line)) == 1
    errors = [e for e in capsys.readouterr().out.splitlines() if e.startswith('error: ')]
    assert errors == [
        "error: video 'c' is in test 1 and test 2, and the results of a test are one for each name"
    ]


def test_a_training_that_is_tested_on_the_same_data(run, tmp_path, capsys):
    run()
    assert tool.main(with_another_line(tmp_path, 'val_dataloader = train_dataloader')) == 1
    assert "error: video 'a' is in val and in training" in capsys.readouterr().out


def test_the_classes_of_every_part_are_compared(run, tmp_path, capsys):
    run()
    line = joined('val_dataloader', "'indices': 1", "'metainfo': {'classes': ['run', 'jump']}")
    assert tool.main(with_another_line(tmp_path, line)) == 1
    message = "in that order, in the val 2 data but got 2, of which number 0 is 'run' instead of"
    assert message in capsys.readouterr().out


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (
            'model = dict(head=dict(num_classes=3))',
            'expected 3 classes (model.head.num_classes) but',
        ),
        ('model = dict(head=dict(num_classes=2))', None),
        (
            'model = dict(head=dict(num_classes=1))',
            'expected PackTALInputs with class_agnostic=True',
        ),
        (
            "val_dataloader['dataset']['metainfo'] = dict(classes=['run', 'jump'])",
            'the 2 classes of the train data, in that order, in the val, test data but got 2, of '
            "which number 0 is 'run' instead of 'jump'",
        ),
    ],
)
def test_classes(run, tmp_path, capsys, line, message):
    run()
    assert tool.main(with_another_line(tmp_path, line)) == (message is not None)
    out = capsys.readouterr().out
    assert message is None or message in out.splitlines()[-2]
