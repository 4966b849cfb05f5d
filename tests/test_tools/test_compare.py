"""tools/analysis/compare.py: the table by hand, resuming, and options that must not mix."""

import json
import re
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'compare.py'


@pytest.fixture
def tool(tmp_path, monkeypatch, load_tool):
    """The tool in this process, in a folder of its own that holds the configs a.py and b.py."""
    module = load_tool('analysis/compare')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [str(TOOL)])
    for name in ('a', 'b'):
        (tmp_path / f'{name}.py').write_text('train_cfg = dict(max_epochs=60)')
    return module


@pytest.fixture
def calls(tool, monkeypatch):
    """Commands that the tool called; instead of training, b gains one point for each seed."""
    made = []

    def call(command, log, env):
        script, config, *rest = map(str, command)
        made.append((Path(script).name, Path(config).stem, *rest))
        folder = Path(rest[rest.index('--work-dir') + 1])
        if config == 'broken.py':
            log.write('Traceback\n  somewhere\nValueError: expected x but got y\n\n')
            return 1
        if script.endswith('train.py'):
            (folder / 'last_checkpoint').write_text(f'{folder}/epoch_1.pth\n')
        else:
            seed = int(folder.name.removeprefix('seed_'))
            value = 0.5 + (0.01 * (seed + 1) if config == 'b.py' else 0)
            (folder / 'metrics.json').write_text(json.dumps({'metrics': {'mAP': value}}))
        return 0

    monkeypatch.setattr(tool, '_call', call)
    return made


def mistake(tool, capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        tool.main([str(argument) for argument in arguments])
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    (line,) = (line for line in lines if not line.startswith('run '))
    assert line.startswith('compare.py: error: ')
    return line


def test_table_by_hand(tool):
    results = {
        'one': {0: {'mAP': 0.5, 'AP': 0.1}, 1: {'mAP': 0.52, 'AP': 0.1}},
        'two': {0: {'mAP': 0.6, 'AP': 0.3}},
        'three': {0: {'mAP': 0.53, 'AP': 0.1}, 1: {'mAP': 0.51, 'AP': 0.1}},
        'four': {0: None, 1: None},
    }
    # Sample standard deviation of 50 and 52: the root of ((1 + 1) / (2 - 1)). The differences of
    # three are 3 and -1, of mean 1 and standard deviation sqrt(8): over sqrt(2), 2.
    assert tool.table(results, ['mAP', 'AP'], ('paper', [None, 23.45, 1, 2])).splitlines() == [
        '| config | mAP | to base | AP | to base | paper |',
        '|---|---|---|---|---|---|',
        '| one | 51.00 ± 1.41 (50.0 / 52.0) | - | 10.00 ± 0.00 (10.0 / 10.0) | - | - |',
        '| two | 60.00 (60.0) | +10.00 | 30.00 (30.0) | +20.00 | 23.4 |',
        '| three | 52.00 ± 1.41 (53.0 / 51.0) | +1.00 ± 2.00 | 10.00 ± 0.00 (10.0 / 10.0) | '
        '+0.00 ± 0.00 | 1.0 |',
        '| four | - | - | - | - | 2.0 |',
    ]


def test_differences_are_of_the_same_seeds(tool):
    def row(*values):
        return {seed: value and {'mAP': value} for seed, value in enumerate(values, start=3)}

    results = {
        'base': row(0.1, None, 0.3, 0.5),
        'one failed': row(None, 0.9, 0.32, 0.56),  # differences 2 and 6: 4 ± sqrt(8) / sqrt(2)
        'one in both': row(None, 0.9, 0.4, None),
        'none in both': row(None, 0.9, None, None),
    }
    assert tool.table(results, ['mAP']).splitlines()[2:] == [
        '| base | 30.00 ± 20.00 (10.0 / - / 30.0 / 50.0) | - |',
        '| one failed | 59.33 ± 29.14 (- / 90.0 / 32.0 / 56.0) | +4.00 ± 2.00 |',
        '| one in both | 65.00 ± 35.36 (- / 90.0 / 40.0 / -) | +10.00 |',
        '| none in both | 90.00 (- / 90.0 / - / -) | - |',
    ]


def test_no_difference_to_a_base_that_has_no_run(tool):
    last = tool.table({'one': {0: None}, 'two': {0: {'mAP': 0.6}}}, ['mAP']).splitlines()[-1]
    assert last == '| two | 60.00 (60.0) | - |'


def test_runs_and_goes_on_where_it_stopped(tool, calls, capsys):
    arguments = ['a.py', 'b.py', '--work-dir', 'work', '--seeds', '0', '1', '--jobs', '2']
    assert tool.main(arguments) == 0
    expected = '| b | 51.50 ± 0.71 (51.0 / 52.0) | +1.50 ± 0.50 |'
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == expected
    assert len(calls) == 8
    assert ('train.py', 'b', '--seed', '1', '--no-validate', '--work-dir', 'work/b/seed_1') in calls
    test = ('test.py', 'b', 'work/b/seed_1/epoch_1.pth', '--out', 'work/b/seed_1')
    assert (*test, '--work-dir', 'work/b/seed_1') in calls

    calls.clear()
    Path('work/b/seed_0/metrics.json').unlink()
    assert tool.main(arguments) == 0
    assert [call[:2] for call in calls] == [('train.py', 'b'), ('test.py', 'b')]
    done = capsys.readouterr()
    assert done.out == out
    assert done.err.startswith('run 1 of 1: b, seed 0; log: ')  # those that are there do not count


def test_options_reach_every_run(tool, calls):
    options = ['--epochs', '3', '--cfg-options', 'train_cfg.y=1', '--amp']
    assert tool.main(['a.py', 'b.py', '--seeds', '0', *options]) == 0
    assert [call[-2:] for call in calls] == [('--cfg-options', 'train_cfg.y=1')] * 4
    for option in ('--amp', '--epochs'):  # only training
        assert [option in call for call in calls] == [True, False] * 2
    assert calls[0][5:8] == ('--amp', '--epochs', '3')


def test_a_setting_may_name_the_seed_of_its_run(tool, calls, capsys):
    arguments = ['a.py', '--seeds', '0', '7', '--work-dir', 'work']
    options = ['--cfg-options', 'val_cfg.x=clicks_{seed}/{video}']
    assert tool.main([*arguments, *options]) == 0
    assert [call[-1] for call in calls] == [
        f'val_cfg.x=clicks_{seed}/{{video}}' for seed in (0, 0, 7, 7)
    ]
    made = json.loads(Path('work/a/seed_7/options.json').read_text())
    assert made['cfg_options'] == ['val_cfg.x=clicks_7/{video}']
    calls.clear()
    assert tool.main([*arguments, *options]) == 0
    assert calls == []  # they are those that were asked for
    capsys.readouterr()
    line = mistake(tool, capsys, *arguments, '--cfg-options', 'val_cfg.x=clicks_0/{video}')
    assert 'work/a/seed_7 was made with val_cfg.x=clicks_7/{video}' in line


@pytest.mark.parametrize(
    ('made', 'asked', 'words'),
    [
        ([], ['--epochs', '3'], ('--epochs 3', 'no options')),
        (['--epochs', '3'], ['--epochs', '4'], ('--epochs 4', '--epochs 3')),
        (['--amp'], [], ('no options', '--amp')),
        (
            ['--cfg-options', 'val_cfg.x=1'],
            ['--cfg-options', 'val_cfg.x=2'],
            ('val_cfg.x=2', 'val_cfg.x=1'),
        ),
    ],
)
def test_runs_of_other_options_are_refused(tool, calls, capsys, made, asked, words):
    base = ['--work-dir', 'work', '--seeds', '0']
    assert tool.main(['b.py', *base, *made]) == 0
    calls.clear()
    capsys.readouterr()
    line = mistake(tool, capsys, 'a.py', 'b.py', *base, *asked)
    asked, made = words
    assert f'expected runs made with {asked} but work/b/seed_0 was made with {made}: ' in line
    assert calls == []  # refused before anything is trained


RUN = """
model = dict(type='DenseLocalizer', neck=dict(theta=0.2))
optim_wrapper = dict(optimizer=dict(type='AdamW', lr={lr}))
param_scheduler = [dict(type='LinearLR', end=5)]
default_hooks = dict(logger=dict(type='LoggerHook', interval={interval}))
test_evaluator = dict(type='TALMetric', tiou_thresholds=[0.5]{out})
width = {lr}
"""


def test_runs_of_a_config_that_has_changed_since_are_refused(tool, calls, capsys):
    base = ['a.py', 'b.py', '--work-dir', 'work', '--seeds', '0']
    Path('b.py').write_text(RUN.format(lr=0.1, interval=1, out=''))
    assert tool.main(base) == 0
    # As the Runner leaves it
    left = Path('work/b/seed_0/b.py')
    left.write_text(RUN.format(lr=0.1, interval=1, out=", out_dir='o'") + "work_dir = 'x'\n")
    Path('b.py').write_text(RUN.format(lr=0.1, interval=7, out=''))
    calls.clear()
    assert tool.main(base) == 0  # what is logged is of no effect
    capsys.readouterr()
    Path('b.py').write_text(RUN.format(lr=0.2, interval=7, out=''))
    assert (
        'expected runs with optim_wrapper.optimizer.lr=0.2 as b.py says today but work/b/seed_0 '
        'was made with 0.1: name another --work-dir, or delete that folder'
    ) in mistake(tool, capsys, *base)
    changed = RUN.format(lr=0.2, interval=7, out='').replace('theta=0.2', 'theta=0')
    Path('b.py').write_text(changed.replace('end=5)', 'end=5), dict(type="ConstantLR")'))
    line = mistake(tool, capsys, *base)
    assert 'with model.neck.theta=0 as b.py says' in line
    assert 'was made with 0.2 (and 2 more): ' in line
    left.write_text('a = ')
    assert f'cannot read {left}: ' in mistake(tool, capsys, *base)
    assert calls == []


def test_a_run_whose_average_was_a_custom_hook_is_used_again(tool, calls, capsys):
    base = ['b.py', '--work-dir', 'work', '--seeds', '0']
    config = RUN.format(lr=0.1, interval=1, out='')
    ema = "dict(type='OneEMAHook', momentum=0.1)"
    Path('b.py').write_text(f"{config}\ndefault_hooks['ema'] = {ema}\ncustom_hooks = []")
    assert tool.main(base) == 0
    left = Path('work/b/seed_0/b.py')
    left.write_text(f'{config}\ncustom_hooks = [{ema.replace("OneEMA", "EMA")}]\n')
    calls.clear()
    assert tool.main(base) == 0
    assert calls == []
    capsys.readouterr()
    left.write_text(config)
    assert "default_hooks.ema={'momentum': 0.1} as b.py" in mistake(tool, capsys, *base)


def test_a_config_that_cannot_be_read_stops_before_the_first_run(tool, calls, capsys):
    Path('b.py').write_text('model = dict(')
    assert 'cannot read b.py: ' in mistake(tool, capsys, 'a.py', 'b.py')
    assert 'max_epoch, which has no effect' in mistake(
        tool, capsys, 'a.py', '--cfg-options', 'max_epoch=3'
    )
    assert calls == []


def test_epochs_need_a_training_by_epochs(tool, calls, capsys):
    Path('a.py').write_text('')
    line = mistake(tool, capsys, 'a.py', '--epochs', '3')
    assert line.endswith(
        'a.py: expected train_cfg.max_epochs for --epochs but got a training by steps'
    )
    line = mistake(tool, capsys, 'b.py', '--epochs', '3', '--cfg-options', 'train_cfg.max_epochs=9')
    assert (
        'each setting of b once but got train_cfg.max_epochs=3 and train_cfg.max_epochs=9' in line
    )
    assert calls == []


def test_same_options_in_another_order_are_the_same(tool, calls):
    assert tool.main(['a.py', '--seeds', '0', '--cfg-options', 'val_cfg.x=1', 'val_cfg.y=2']) == 0
    calls.clear()
    assert tool.main(['a.py', '--seeds', '0', '--cfg-options', 'val_cfg.y=2', 'val_cfg.x=1']) == 0
    assert calls == []


def test_a_run_without_record_was_made_without_options(tool, calls, capsys):
    assert tool.main(['a.py', '--seeds', '0', '--work-dir', 'work']) == 0
    Path('work/a/seed_0/options.json').unlink()
    calls.clear()
    assert tool.main(['a.py', '--seeds', '0', '--work-dir', 'work']) == 0
    assert calls == []
    capsys.readouterr()
    mistake(tool, capsys, 'a.py', '--seeds', '0', '--work-dir', 'work', '--amp')


def test_a_failed_run_is_one_line_and_the_rest_is_printed(tool, calls, capsys):
    Path('broken.py').write_text('')
    assert tool.main(['broken.py', 'b.py', '--seeds', '0', '--work-dir', 'work']) == 1
    done = capsys.readouterr()
    log = 'work/broken/seed_0/train.log'
    lines = re.sub(r', eta [\d:]+|\d:\d\d:\d\d', '', done.err).splitlines()
    assert lines[:3] == [
        f'run 1 of 2: broken, seed 0; log: {log}',
        'run 1 of 2: broken, seed 0: ended after ',
        f'broken, seed 0 failed: ValueError: expected x but got y (see {log})',
    ]
    assert lines[3] == 'run 2 of 2: b, seed 0; log: work/b/seed_0/train.log'
    assert done.out.splitlines()[2:] == ['| broken | - | - |', '| b | 51.00 (51.0) | - |']


def test_mistakes_end_in_one_line(tool, calls, capsys):
    assert 'but got none.py, which does not exist' in mistake(tool, capsys, 'a.py', 'none.py')
    Path('sub').mkdir()
    Path('sub/a.py').write_text('')
    assert 'different names but got a, a' in mistake(tool, capsys, 'a.py', 'sub/a.py')
    assert calls == []


def test_a_wrong_key_is_found_after_the_first_run(tool, calls, capsys):
    line = mistake(tool, capsys, 'a.py', '--seeds', '0', '1', '2', '--keys', 'mAP', 'map')
    assert 'expected --keys of mAP but got map' in line
    assert [call[0] for call in calls] == ['train.py', 'test.py']
    calls.clear()
    line = mistake(tool, capsys, 'b.py', 'a.py', '--seeds', '1', '0', '--keys', 'map')
    assert 'expected --keys of mAP but got map' in line
    assert calls == []


def test_no_run_counts_twice_or_is_damaged(tool, calls, capsys):
    line = mistake(tool, capsys, 'a.py', '--seeds', '0', '1', '0')
    assert 'expected --seeds once each but got 0 1 0' in line
    assert 'expected --jobs of 1 or more but got 0' in mistake(tool, capsys, 'a.py', '--jobs', '0')
    base = ['--seeds', '0', '--work-dir', 'work']
    assert tool.main(['a.py', *base]) == 0
    calls.clear()
    capsys.readouterr()
    for file, text in (
        ('metrics.json', '{'),
        ('metrics.json', '{"metrics": 3}'),
        ('options.json', '{"amp": false}'),
    ):
        path = Path('work/a/seed_0') / file
        before = path.read_text()
        path.write_text(text)
        assert f'{path}: expected ' in mistake(tool, capsys, 'b.py', 'a.py', *base)
        path.write_text(before)
    assert calls == []


@pytest.mark.slow
def test_trains_and_tests_for_true(tool, tiny_config, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(TOOL.parents[2]))
    options = ['--seeds', '0', '--epochs', '1', '--work-dir', 'work', '--cfg-options']
    options += ['default_hooks.logger.interval=2', 'param_scheduler=[]']
    code, printed = tool.main([str(tiny_config), *options]), capfd.readouterr().out
    assert code == 0, (tmp_path / 'work/tiny/seed_0/train.log').read_text()
    assert printed.startswith('| config | mAP | to base |')
    folder = tmp_path / 'work' / 'tiny' / 'seed_0'
    assert [path.name for path in folder.glob('epoch_*.pth')] == ['epoch_1.pth']
    value = json.loads((folder / 'metrics.json').read_text())['metrics']['mAP']
    assert f'| tiny | {value * 100:.2f} (' in printed
    # The config that the Runner left is the one of today.
    assert tool.main([str(tiny_config), *options]) == 0
    assert capfd.readouterr().out == printed


def results(segment):
    """One of two recordings found where it is said to be, the other where it is."""
    found = {'u': segment, 'v': [20, 30]}
    return {
        'results': {
            name: [{'segment': where, 'label': 'run', 'score': 0.5}]
            for name, where in found.items()
        }
    }


@pytest.fixture
def finished(tool, tmp_path):
    """Arguments for two finished runs: one finds both of two actions, two seeds another one."""
    actions = {'u': [[0, 10]], 'v': [[20, 30]]}
    database = {
        name: {
            'duration': 60,
            'subset': 'test',
            'annotations': [{'segment': segment, 'label': 'run'} for segment in segments],
        }
        for name, segments in actions.items()
    }
    content = {'classes': ['run', 'jump'], 'database': database}
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    for folder, segment in (('one', [0, 10]), ('two/seed_0', [40, 50]), ('two/seed_1', [0, 10])):
        path = tmp_path / 'runs' / folder / 'detections.json'
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(results(segment)))
    return ['--results', 'runs/one', 'runs/two', '--annotations', 'annotations.json']


def test_finished_runs_stand_in_one_table(tool, calls, finished, capsys):
    assert tool.main([*finished, '--tiou', '0.5', '0.9']) == 0
    # A miss and a hit of equal score, the miss first: precision 1/2 at a recall of 1/2. The mean of
    # seeds is (1/4 + 1) / 2. In resamples of u alone seed 0 finds nothing, in those of v alone all.
    assert capsys.readouterr().out.splitlines() == [
        '| results | mAP | to the first | mAP@0.50 | mAP@0.90 |',
        '|---|---|---|---|---|',
        '| one | 100.0 | - | 100.0 | 100.0 |',
        '| two | 62.5 | -37.5 [-50.0, +0.0] | 62.5 | 62.5 |',
        '',
        '| mAP of | GT | one | two |',
        '|---|---|---|---|',
        '| run | 2 | 100.0 | 62.5 |',
        '| jump | 0 | - | - |',
        '',
        'in percent; mAP: mean at tIoU 0.5, 0.9',
        '2 recordings, 2 actions; [low, high]: 95 % of 1000 resamples of the recordings, the same '
        'for all (paired bootstrap)',
        'two: mean of 2 seeds',
    ]
    assert calls == []
    assert tool.main([*finished, '--resamples', '0', '--subset', 'test']) == 0
    assert 'no intervals: they need two recordings and resamples' in capsys.readouterr().out


def test_mistakes_about_finished_runs_end_in_one_line(tool, finished, capsys):
    def refused(*arguments):
        with pytest.raises(SystemExit):
            tool.main(list(arguments))
        return capsys.readouterr().err.splitlines()[-1]

    assert 'expected configs or --results but got both' in refused('a.py', *finished)
    assert 'expected configs or --results but got none' in refused()
    assert '--annotations together but got one of them' in refused('--results', 'runs/one')
    assert 'expected each run once but got runs/one twice' in refused(
        '--results', 'runs/one', 'runs/one', *finished[3:]
    )
    Path('empty').mkdir()
    assert 'expected detections.json in empty, as tools/test.py --out' in refused(
        '--results', 'empty', *finished[3:]
    )
    Path('runs/one/detections.json').rename('runs/one/proposals.json')
    assert tool.main(finished) == 0
    content = results([0, 1])
    for items in content['results'].values():
        del items[0]['label']
    Path('runs/one/proposals.json').write_text(json.dumps(content))
    assert (
        "runs/one/proposals.json: video 'u': expected results of segment, score and label but"
        in (refused(*finished))
    )
