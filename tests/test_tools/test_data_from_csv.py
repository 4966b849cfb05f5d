"""Own data in one command: what it writes, and what each wrong data set gets."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from asl_mmaction.apis import load_config

HEADER = 'video,label,start,end'
ROWS = [
    'a,run,1,3',
    'a,jump,2.5,7',
    'b,run,4,9.5',
    'b,jump,12,19',
    'c,run,1,6',
    'c,jump,7,9',
    'd,jump,3,8',
    'd,run,10,18',
]
GRID = ('--fps', '10', '--stride', '4', '--clip-len', '8')
STEPS = 49  # of 20 s


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('data/from_csv')


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Function: write a table and features into the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)

    def write(table=None, features=None, name='actions.csv', width=6, encoding='utf-8'):
        table = [HEADER, *ROWS] if table is None else table
        text = table if isinstance(table, str) else '\n'.join(table) + '\n'
        Path(name).write_text(text, encoding=encoding)
        Path('feats').mkdir(exist_ok=True)
        for video, shape in {**dict.fromkeys('abcd', (STEPS, width)), **(features or {})}.items():
            if shape is not None:
                np.save(f'feats/{video}.npy', np.random.default_rng(0).normal(size=shape))

    return write


@pytest.fixture
def run(tool, capsys):
    """Function: run the tool: (exit code, what it prints, its error)."""

    def call(*args, grid=GRID, name='actions.csv'):
        try:
            code = tool.main([name, '--features', 'feats', '--out', 'data/my', *grid, *args])
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


def annotations():
    return json.loads(Path('data/my/annotations.json').read_text())


def actions(video):
    items = annotations()['database'][video]['annotations']
    return [(item['label'], *item['segment']) for item in items]


def test_from_nothing_to_a_loss(make, run, monkeypatch):
    """The configs read, their parts build, and one batch of them has losses and detections."""
    make(width=20)
    code, out, _ = run('--test-fraction', '0.25')
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == (
        '4 recordings, 8 actions, 2 classes (jump 4, run 4); lengths 2.0..8.0 s = 5..20 steps'
    )
    assert lines[1] == 'training 3 recordings, 6 actions; test 1 recordings, 2 actions'
    assert re.fullmatch(
        r'wrote data/my/annotations.json, configs: my_asl.py \(\d.\d M parameters\), '
        r'my_baseline.py \(\d.\d M\)',
        lines[-3],
    )
    assert lines[-2:] == [  # here are no tools, as beside an installed package
        'next: mim run asl_mmaction check data/my/my_asl.py',
        'then: mim train asl_mmaction data/my/my_asl.py',
    ]
    for name in ('my_baseline.py', 'my_asl.py'):
        config = load_config(f'data/my/{name}')
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(config.model)
            data = {
                loader: model.data_preprocessor(
                    pseudo_collate([DATASETS.build(config[loader].dataset)[0]]), training
                )
                for loader, training in (('train_dataloader', True), ('test_dataloader', False))
            }
        losses = model(**data['train_dataloader'], mode='loss')
        assert ('loss_ascl' in losses) == (name == 'my_asl.py')
        (sample,) = model.eval()(**data['test_dataloader'], mode='predict')
        assert len(sample.pred_instances['scores']) <= config.max_per_video
        # What the plan says is what the parts have.
        assert model.head.point_generator.strides == config.strides
        assert model.projection.out_channels == config.width
        assert config.train_cfg.max_epochs == config.max_epochs == 120
        assert config.param_scheduler[0].end == config.param_scheduler[1].begin == 12
    monkeypatch.chdir('..')  # the config says where its data is by where it lies itself
    with DefaultScope.overwrite_default_scope('mmaction'):
        config = load_config(next(Path().glob('*/data/my/my_asl.py')))
        assert len(DATASETS.build(config.test_dataloader.dataset)) == 1


@pytest.mark.parametrize(
    ('longest', 'by_baseline', 'by_asl'),
    [
        (8.0, [(0, 4), (4, 8), (8, 16), (16, 10000)], [(0, 4), (2, 8), (4, 16), (8, 10000)]),
        # Of so few steps that the baseline finds them on two levels already
        (1.0, [(0, 4), (2, 8), (4, 10000)], [(0, 4), (2, 8), (4, 10000)]),
    ],
)
def test_where_actions_overlap_asl_has_what_pays_there(make, run, longest, by_baseline, by_asl):
    rows = [
        f'{video},{label},{start},{start + longest}'
        for video in 'abcd'
        for label, start in (('run', 1), ('jump', 1 + longest / 4), ('turn', 11))
    ]
    make([HEADER, *rows], width=20)
    code, out, _ = run()
    assert code == 0
    assert '  my_asl.py, as actions overlap: points chosen by what they predict' in out
    baseline, config = (load_config(f'data/my/{name}.py') for name in ('my_baseline', 'my_asl'))
    assert 'quality_power' not in baseline.model.post_processor
    assert baseline.model.head.assigner == dict(match='all', center_sampling_radius=1.5)
    assert config.model.head.assigner == dict(
        type='SimOTAAssigner', match='all', center_sampling_radius=None
    )
    assert baseline.model.head.regress_ranges == by_baseline
    assert config.model.head.regress_ranges == by_asl
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
        batch = pseudo_collate([DATASETS.build(config.train_dataloader.dataset)[0]])
    data = model.data_preprocessor(batch, True)
    losses = model(**data, mode='loss')
    assert losses['loss_sensitivity'] > 0
    assert 'loss_ascl' not in losses
    assert model.post_processor.quality_power == (0, 1)  # of cls and of loc


def test_a_feature_beside_the_one_that_is_read_is_told(make, run):
    make()
    assert 'beside it' not in run()[1]
    for name in 'bc':
        np.savez(f'feats/{name}.npz', feat=np.load(f'feats/{name}.npy'))
    _, out, _ = run('--overwrite')
    assert 'note: b.npy is read, b.npz beside it is not (and 1 more)\n' in out


def test_each_choice_stands_in_the_config_with_its_reason(make, run):
    make()
    _, out, _ = run()
    text = Path('data/my/my_baseline.py').read_text()
    config = load_config('data/my/my_baseline.py')
    plan = out.split('the plan:\n')[1].splitlines()[:-3]
    assert len(plan) == 18
    for line in plan:
        name, rest = line.split(maxsplit=1)
        value, reason = rest.rstrip(')').split('  (', 1)
        assert f'{name} = ' in text
        assert f'# {reason}' in text
        assert str(config[name]).replace('[', '(').replace(']', ')') == value.replace(
            '[', '('
        ).replace(']', ')')


def test_in_a_checkout_the_next_steps_are_its_tools(make, run):
    make()
    Path('tools').mkdir()
    Path('tools/train.py').touch()
    assert run()[1].splitlines()[-2:] == [
        'next: python tools/data/check.py data/my/my_asl.py',
        'then: python tools/train.py data/my/my_asl.py',
    ]


def test_files_are_not_replaced_unasked(make, run):
    make()
    assert run()[0] == 0
    Path('data/my/my_asl.py').write_text('mine')
    code, _, err = run()
    assert code == 2
    assert 'expected a new folder but got data/my/annotations.json, which exists' in err
    assert Path('data/my/my_asl.py').read_text() == 'mine'
    assert run('--overwrite')[0] == 0
    assert Path('data/my/my_asl.py').read_text() != 'mine'


# Forms that are taken


@pytest.mark.parametrize(
    ('table', 'args'),
    [
        (['END,x,Label,Start,Video', '3,9,run,1,a', '7,9,jump,2.5,a'], ()),
        (['Clip,What,t0,t1', 'a,run,1,3', 'a,jump,2.5,7'],
         ('--columns', 'video=Clip', 'label=What', 'start=t0', 'end=t1')),
        (['Begin, s;End, s;File Path;What', '1;3;a;run', '2.5;7;a;jump'],
         ('--columns', 'video=File Path', 'label=What', 'start=Begin, s', 'end=End, s')),
        (['video,label,start,end', 'a,run,0:00:01,0:03', 'a,jump,00:00:02.5,0:07.0'], ()),
        (['video,label,start,end', 'a,run,"00:00:01,000",3', 'a,jump,"2,5",7'], ()),
        (['video;label;start;end', 'a;run;1,0;3', 'a;jump;2,5;7,00'], ()),
        (['video\tlabel\tstart\tend', 'a\trun\t1\t3', 'a\tjump\t2.5\t7'], ()),
        (['video,label,start_frame,end_frame', 'a,run,10,30', 'a,jump,25,70'], ()),
        (['video,label,start,end,fps', 'a,run,30,90,30', 'a,jump,75,210,30'],
         ('--unit', 'frames')),
        (['video,label,start_ms,end_ms', 'a,run,1000,3000', 'a,jump,2500,7000'], ()),
        (['video,label,start,end', r'C:\my videos\a.mp4,run,1,3',
          r'C:\my videos\a.mp4,jump,2.5,7'], ()),
        (['video,label,start,end', '/data/local-files/?d=x%20y/a.mp4,run,1,3',
          '/data/local-files/?d=x%20y/a.mp4,jump,2.5,7'], ()),
        (['video,label', '"/data/upload/1/0a1b2c3d-a.mp4","[{""start"": 1, ""end"": 3, '
          '""labels"": [""run""]}, {""start"": 2.5, ""end"": 7, ""labels"": [""jump""]}]"'], ()),
        (['video,label', 'a.mp4,"[{""ranges"": [{""start"": 11, ""end"": 30}], '
          '""timelinelabels"": [""run""]}, {""ranges"": [{""start"": 26, ""end"": 70}], '
          '""timelinelabels"": [""jump""]}]"'], ()),
    ],
)  # fmt: skip
def test_forms_of_a_table(make, run, table, args):
    make([*table, *(re.sub(r'\ba\b', 'b', line) for line in table[1:])])
    code, _, err = run('--test-fraction', '0.5', *args)
    assert (code, err) == (0, '')
    assert actions('a') == [('run', 1.0, 3.0), ('jump', 2.5, 7.0)]


def database(**videos):
    return {
        name: {
            'subset': subset,
            'duration': 20.0,
            'annotations': [{'segment': [1.0, 3.0], 'label': 'run'}],
        }
        for name, subset in videos.items()
    }


@pytest.mark.parametrize(
    'content',
    [
        {'database': database(a='training', b='validation')},
        database(a='Training', b='testing'),
        {
            name: {'subset': subset, 'duration': 20, 'actions': [[2, 1, 3]]}
            for name, subset in (('a', 'training'), ('b', 'testing'))
        },
        {
            name: {'subset': 'train' if name == 'a' else 'val', 'duration_second': 20,
                   'annotations': [{'segment': [1, 3], 'label': 'run'}]}
            for name in 'ab'
        },
        [
            {'data': {'video': f'/data/upload/2/0123abcd-{name}.mp4', 'subset': subset},
             'annotations': [{'result': [{'value': {'text': ['good']}},
                 {'value': {'start': 1, 'end': 3, 'labels': ['run']}}]}]}
            for name, subset in (('a', 'train'), ('b', 'test'))
        ],
        [
            {'video': f'{name}.mp4', 'subset': subset, 'tricks': [
                {'ranges': [{'start': 11, 'end': 30}], 'timelinelabels': ['run']}]}
            for name, subset in (('a', 'train'), ('b', 'test'))
        ],
    ],
)  # fmt: skip
def test_forms_of_json(make, run, content):
    make(json.dumps(content), name='actions.json')
    Path('classes.txt').write_text('jump\nrun\n')
    code, _, err = run('--classes', 'classes.txt', name='actions.json')
    assert (code, err) == (0, '')
    assert actions('a') == actions('b') == [('run', 1.0, 3.0)]
    subsets = {name: video['subset'] for name, video in annotations()['database'].items()}
    assert subsets['a'] == 'training'
    assert subsets['b'] in ('validation', 'test')
    assert load_config('data/my/my_asl.py').test_subset == subsets['b']


def test_sidecars_tell_the_grid_and_the_duration(make, run):
    make()
    for name in 'abcd':
        sidecar = {'fps': 10, 'feat_stride': 4, 'clip_len': 8, 'duration': 20.1, 'T': STEPS}
        Path(f'feats/{name}.json').write_text(json.dumps(sidecar))
    assert run(grid=())[0] == 0
    assert load_config('data/my/my_asl.py').grid == dict(fps=10, feat_stride=4, clip_len=8)
    assert {v['duration'] for v in annotations()['database'].values()} == {20.1}
    code, _, err = run('--overwrite', grid=('--fps', '12'))
    assert code == 2
    assert 'expected fps 10, as feats/a.json says of the feature, but got fps=12' in err


def test_recordings_of_different_fps(make, run):
    make([f'{HEADER},fps', *(f'{row},{10 if row[0] == "a" else 20}' for row in ROWS)],
         features=dict.fromkeys('bcd', (99, 6)))  # fmt: skip
    assert run(grid=GRID[2:])[0] == 0
    config = load_config('data/my/my_asl.py')
    assert config.grid == dict(feat_stride=4, clip_len=8)
    assert [v['fps'] for v in annotations()['database'].values()] == [10, 20, 20, 20]


def test_durations_are_what_the_features_cover_and_actions_want(make, run):
    """The last clip ends at 20 s, the next one would at 20.4: nobody knows where between."""
    make([HEADER, *ROWS, 'a,run,19,20.3', 'c,run,19,23'])
    code, out, _ = run()
    assert code == 0
    durations = {name: v['duration'] for name, v in annotations()['database'].items()}
    assert durations == pytest.approx({'a': 20.3, 'b': 20.0, 'c': 20.4, 'd': 20.0})
    assert 'note: 1 partly outside: cut' in out


def test_split_by_column_file_and_chance(make, run):
    make([f'{HEADER},split', *(f'{row},{"TEST" if row[0] == "c" else "train"}' for row in ROWS)])
    Path('test.txt').write_text('b\nd\n')

    def tested(*args):
        assert run('--overwrite', *args)[0] == 0
        return {n for n, v in annotations()['database'].items() if v['subset'] == 'test'}

    assert tested() == {'c'}
    assert tested('--test', 'test.txt') == {'b', 'd'}
    by_chance = [tested('--test-fraction', '0.5', '--seed', str(seed)) for seed in (0, 0, 1, 2, 3)]
    assert by_chance[0] == by_chance[1]
    assert {len(names) for names in by_chance} == {2}
    assert len(set(map(frozenset, by_chance))) > 1


def test_channels_first_and_names_with_a_prefix(make, run):
    make(features=dict.fromkeys('abcd'))
    for number, name in enumerate('abcd'):
        np.save(f'feats/v_{name}.npy', np.zeros((6, STEPS - number % 2)))
    code, out, _ = run()
    assert code == 0
    assert 'note: the features are (channels, steps)' in out
    config = load_config('data/my/my_asl.py')
    assert (config.feature_file, config.feat_dim) == ('v_{video}.npy', 6)
    assert config.train_dataloader.dataset.pipeline[0].layout == 'CT'


# Wrong data sets: (table, features, arguments, what is said). An error ends the tool with one
# line; what begins with 'note' is said, and the data set is written.
ERRORS = {
    'missing column': (['video,label,start', 'a,run,1'], {}, (),
        r"expected a column 'end' \(end, end_time, .*--columns end=NAME\) but got \['video', "),
    'no times': (['video,label', 'a,run', 'b,run'], {}, (),
        "line 2: expected columns start and end, or regions of Label Studio, but got 'run'"),
    'no header': (ROWS, {}, (), r"expected a column 'video' .* but got \['a', 'run', '1', '3'\]"),
    'header alone': ([HEADER], {}, (), 'expected rows below the header but got none'),
    'empty file': ('', {}, (), r"expected a column 'video' .* but got \[\]"),
    'too few values': ([HEADER, *ROWS, 'a,run,1'], {}, (),
        'line 10: expected 4 values but got 3'),
    'decimal commas': ([HEADER, 'a,run,1,0,3,5'], {}, (),
        'line 2: expected 4 values but got 6: decimal commas need quotes'),
    'a quote that does not close': ([HEADER, *ROWS[:2], 'b,"run,4,9.5', *ROWS[3:]], {}, (),
        'line 9: expected 4 values but got 2: a quote opens in line 4$'),
    'no number': ([HEADER, *ROWS, 'a,run,soon,3'], {}, (),
        "line 10: expected start, a number or h:mm:ss, but got 'soon'"),
    'not finite': ([HEADER, *ROWS, 'a,run,1,nan'], {}, (),
        "line 10: expected end, a number or h:mm:ss, but got 'nan'"),
    'seventy seconds': ([HEADER, *ROWS, 'a,run,0:00:70,3'], {}, (),
        "line 10: expected start, a number or h:mm:ss, but got '0:00:70'"),
    'no label': ([HEADER, *ROWS, 'a,,1,3'], {}, (),
        'line 10: expected a label but got an empty cell'),
    'no video': ([HEADER, *ROWS, ',run,1,3'], {}, (),
        'line 10: expected the name of a video but got an empty cell'),
    'unknown video': ([HEADER, *ROWS, 'k7,run,1,3'], {}, (),
        r"line 10: expected a feature file for each recording in feats but got none for 1 of 5: "
        r"'k7'; the files are called a.npy, b.npy, c.npy, ..."),
    'a video in another case': ([HEADER, *ROWS, 'A.mp4,run,1,3'], {}, (),
        r"none for 1 of 5: 'A.mp4'; 'a' is there, in another case; the files are called a.npy"),
    'a workbook': ('PK\x03\x04', {}, (),
        'actions.csv: expected text but got a workbook, or another zip file; save it as CSV'),
    'no features': ([HEADER, *ROWS], dict.fromkeys('abcd'), (),
        r'expected feature files \(.npy, .*\) in feats but got 0 files, none of these'),
    'one recording in two folders': ([HEADER, *ROWS, 'x/a.mp4,run,1,3'], {}, (),
        "line 10: expected one recording for each feature file but got 'x/a.mp4' and, in line 2, "
        "'a' for 'a'"),
    'labels that differ in case': ([HEADER, *ROWS, 'a,Run,1,3'], {}, (),
        "line 10: expected label 'run', as in line 2, but got 'Run'; if both are classes"),
    'features of another length': ([f'{HEADER},duration', *(f'{row},50' for row in ROWS)], {}, (),
        r"video 'a': expected about 124 steps .* but got 49, and 3 more like that; .*"
        'fps=4 would fit all 4 files'),
    'features of two widths': ([HEADER, *ROWS], {'c': (40, 7)}, (),
        r"feats: expected features of one width but got 6 channels and, of 'c', 7, shape"),
    'a feature of one axis': ([HEADER, *ROWS], {'c': (49,)}, (),
        r'feats/c.npy: expected a feature of \(steps, channels\) but got \(49,\)'),
    'an empty feature': ([HEADER, *ROWS], {'c': (0, 6)}, (),
        r'feats/c.npy: expected a feature of \(steps, channels\) but got \(0, 6\)'),
    'milliseconds': ([HEADER, *(f'{r.rsplit(",", 2)[0]},5000,9000' for r in ROWS)], {}, (),
        r'line 2: expected actions inside their recordings but got 8 of 8 behind the end, all of '
        r"4 recordings: such as 5000..9000 s of 'a', which has 20.4 s; "
        '--unit milliseconds would fit 8 of 8'),
    'frames': ([HEADER, *(f'{r.rsplit(",", 2)[0]},100,190' for r in ROWS)], {}, (),
        r'line 2: expected actions .*--unit frames would fit 8 of 8'),
    'one recording in another unit': (
        [HEADER, *ROWS[:-2], 'd,jump,3000,8000', 'd,run,10000,18000'], {}, (),
        "line 8: expected actions inside their recordings but got 2 of 8 behind the end, all of 1 "
        "recordings: such as 3000..8000 s of 'd'"),
    'clock times in frames': (['video,label,start_frame,end_frame', 'a,run,0:01,0:03'], {}, (),
        "line 2: expected start in frames but got '0:01'"),
    'two durations': ([f'{HEADER},duration', 'a,run,1,3,20', 'a,run,5,6,21', 'b,run,1,3,20'],
        {}, (), "line 3: expected one duration of 'a' but got 20 and 21"),
    'a column twice': ([f'{HEADER},start', *(f'{row},9' for row in ROWS)], {}, (),
        "actions.csv: expected one column 'start' but got 2"),
    'a label with what nobody sees': ([HEADER, *ROWS, 'a,run\u200b,9,11'], {}, (),
        r"line 10: expected label 'run', as in line 2, but got 'run\\u200b'; if both are classes"),
    'two subsets': ([f'{HEADER},subset', 'a,run,1,3,train', 'a,run,5,6,test'], {}, (),
        "line 3: expected one subset of 'a' but got 'test' and, in line 2, 'train'"),
    'a subset left out': ([f'{HEADER},subset', 'a,run,1,3,train', 'b,run,5,6,'], {}, (),
        "line 3: expected a subset of each recording but got none of 'b'"),
    'an unknown subset': ([f'{HEADER},subset', 'a,run,1,3,fold 1'], {}, (),
        "line 2: expected a subset of training, .* but got 'fold 1'; --subsets 'fold 1=training' "),
    'nothing to test on': ([f'{HEADER},subset', 'a,run,1,3,train', 'b,run,5,6,train'], {}, (),
        'expected recordings to train on and to test on but got 2 of training; --test-fraction'),
    'one recording': ([HEADER, *ROWS[:2]], {}, (),
        'expected two recordings, one to train and one to test on, but got 1'),
    'no class to spare': ([HEADER, 'a,run,1,3', 'b,jump,1,3'], {}, (),
        'expected a recording to test on whose classes others have too, but got none of 2'),
    'no action at all': ([HEADER, 'a,,,', 'b,,,'], {}, (),
        'expected actions but got 2 recordings without'),
    'no grid': ([HEADER, *ROWS], {}, None,
        'feats/a.npy: expected --stride and --clip-len and --fps, or a sidecar a.json that says'),
    'a name to test on that is none': ([HEADER, *ROWS], {}, ('--test', 'actions.csv'),
        "expected names of recordings such as 'a' but got 'video,label,start,end'"),
}  # fmt: skip
NOTES = {
    'end before start': ([HEADER, *ROWS, 'a,run,9,3'], {}, (),
        r'1 end before start: dropped \(line 10\)$'),
    'several ends before starts': ([HEADER, *ROWS, 'a,run,9,3', 'b,run,8,7', 'b,,,', 'c,run,8,7'],
        {}, (), r'3 end before start: dropped \(line 10 and 2 more\)$'),
    'without length': ([HEADER, *ROWS, 'a,run,9,9'], {}, (), '1 without length: dropped'),
    'given twice': ([HEADER, *ROWS, ROWS[0], ROWS[0]], {}, (), '2 given twice: dropped'),
    'behind the end': ([HEADER, *ROWS, 'a,run,30,40'], {}, (), '1 outside the video: dropped'),
    'semicolons': ([r.replace(',', ';') for r in (HEADER, *ROWS)], {}, (),
        "columns parted by ';'"),
    'decimal commas, quoted': ([HEADER, *ROWS, 'a,run,"11,5","12,5"'], {}, (),
        r'times as decimals with a comma \(line 10\)$'),
    'decimal commas in several rows': (
        ['video;label;start;end', 'a;run;1;3', 'a;jump;2,5;7,5', 'b;run;4;9,5', 'b;jump;0;2'],
        {}, (), r'times as decimals with a comma \(line 3 and 1 more\)$'),
    'both decimal marks': ([HEADER, *ROWS, 'a,run,"11,5","12,5"'], {}, (),
        r'times as decimals with a point \(line 3 and 1 more\)$'),
    'both decimal marks, in doubt': ([HEADER, *ROWS, 'a,run,"11,5","12,5"'], {}, (),
        r'both marks are read as decimal: does one of them mark thousands\?$'),
    'mixed forms of time': ([HEADER, *ROWS, 'a,run,0:11,0:12'], {}, (),
        r'times as h:mm:ss \(line 10\)$'),
    'spaces in labels': ([HEADER, *ROWS, 'a,run  fast,11,12', 'b,run fast,1,2'], {}, (),
        'labels with spaces in a row: one is left'),
    'one class': ([HEADER, *(r.replace('jump', 'run') for r in ROWS)], {}, (),
        "one class alone: all that is found is 'run'"),
    'a class only in test': ([f'{HEADER},subset', 'a,run,1,3,train', 'b,jump,1,3,test'], {}, (),
        "class 'jump' has no action in training: it cannot be learned"),
    'a recording without action': ([HEADER, *ROWS, 'e,,,'], {'e': (STEPS, 6)}, (),
        '1 videos without segments'),
    'missing features, skipped': ([HEADER, *ROWS, 'k7,run,1,3'], {}, ('--skip-missing',),
        '1 recordings without a feature file: left out'),
    'features of one shape': ([HEADER, *ROWS], {}, (),
        r'all features are \(49, 6\): taken as \(steps, channels\)'),
    'minutes': ([f'{HEADER},duration', *(f'{r.rsplit(",", 2)[0]},0.1,0.3,20' for r in ROWS)], {},
        (), 'all actions end in the first 1/60 of their recordings, as if in minutes$'),
    'too large a stride': ([HEADER, *ROWS, 'e,run,1,3'], {'e': (STEPS, 6)},
        ('--stride', '16'), r'all actions end in the first \d+ % of what the features cover: are '
        '--fps and --stride those of the features'),
    'far too large a stride': ([HEADER, *ROWS, 'e,run,1,3'], {'e': (STEPS, 6)},
        ('--stride', '900'), 'all actions end in the first 1/60 of their recordings, as if in '
        'minutes, or as if --fps or --stride were not those of the features$'),
    'too high a rate': ([HEADER, *ROWS, 'e,run,5.5,8'], {'e': (STEPS, 6)}, ('--fps', '17'),
        'no duration is given, so a recording ends with its features: if many actions lie behind '
        'that, --fps or --stride is wrong'),
}  # fmt: skip


@pytest.mark.parametrize('name', ERRORS)
def test_a_wrong_data_set_ends_in_one_line(make, run, name):
    table, features, args, expected = ERRORS[name]
    make(table, features)
    grid = GRID if args is not None else ()
    code, out, err = run(*(args or ()), grid=grid)
    assert (code, out) == (2, '')
    assert err.count('\n') == 1
    assert re.search(expected, err), err
    assert not Path('data').exists()


def test_actions_until_the_end_of_the_features_are_not_odd(make, run):
    make([HEADER, *ROWS, 'e,run,1,9.5'], {'e': (STEPS, 6)})
    out = run()[1]
    assert 'what the features cover' not in out
    assert 'ends with its features' not in out


@pytest.mark.parametrize('name', NOTES)
def test_what_is_odd_is_said(make, run, name):
    table, features, args, expected = NOTES[name]
    make(table, features)
    code, out, err = run(*args)
    assert (code, err) == (0, '')
    assert re.search(f'^note: {expected}', out, re.M), out


def test_another_encoding(make, run):
    table = [HEADER, *(row.replace('run', 'r\xfchren') for row in ROWS)]
    make(table, encoding='latin-1')
    code, _, err = run()
    assert code == 2
    expected = 'actions.csv: line 2: expected text in UTF-8 but got byte 0xfc; Excel saves it as'
    assert expected in err
    make([row.replace(',', '\t') for row in table], encoding='utf-16')  # "Unicode text" of Excel
    code, out, err = run()
    assert (code, err) == (0, '')
    assert 'r\xfchren 4' in out.splitlines()[0]


def test_json_of_an_unknown_form(make, run):
    make('{"project": {"pid": "1"}, "config": {}, "file": {}}', name='via.json')
    code, _, err = run(name='via.json')
    assert code == 2
    assert "mmaction2's, PointTAD's or Label Studio's but got an object of 'project'" in err


@pytest.mark.parametrize('kind', ['complex64', '<U8'])
def test_features_that_are_no_numbers(make, run, kind):
    make()
    np.save('feats/c.npy', np.zeros((STEPS, 6)).astype(kind))
    code, _, err = run()
    assert code == 2
    assert f'feats/c.npy: expected numbers but got {kind}' in err


def test_files_of_names_may_name_recordings_as_the_table_does(make, run):
    make([HEADER, *(re.sub('^([a-d])', r'/videos/\1.mp4', row) for row in ROWS)])
    Path('test.txt').write_text('/videos/b.mp4\n')
    Path('durations.csv').write_text('video,duration\n/videos/a.mp4,20.25\n')
    code, out, _ = run('--test', 'test.txt', '--durations', 'durations.csv')
    assert code == 0
    assert 'note: 3 recordings without a duration in durations.csv' in out
    database = annotations()['database']
    assert [name for name, video in database.items() if video['subset'] == 'test'] == ['b']
    assert database['a']['duration'] == 20.25
    Path('durations.csv').write_text('video,duration\na.avi,30\n')
    message = "durations.csv: expected durations of recordings such as 'a' but got those of 'a.avi'"
    assert message in run('--durations', 'durations.csv', '--overwrite')[2]


def test_byte_order_mark_and_blank_lines(make, run):
    make(['', HEADER, '', *ROWS[:4], ',,,', *ROWS[4:], ''], encoding='utf-8-sig')
    code, out, err = run()
    assert (code, err) == (0, '')
    assert out.startswith('4 recordings, 8 actions, 2 classes')


@pytest.mark.parametrize('mark', ["'", '"', '\n', '{{'])
def test_a_folder_whose_name_no_config_can_have(make, run, mark):
    """A config has its own folder in its text, where these would end the string, or be run."""
    make()
    code, _, err = run('--out', f'data/a{mark}b')
    assert code == 2
    assert f'expected --out without {mark!r} in its path but got' in err
    assert not Path('data').exists()
