"""The comparison of proposals: what is run, in which order, what is run again; and its numbers."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from asl_mmaction.evaluation.metrics import AverageRecallMetric

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'compare_proposals.py'
VIDEOS = {'v1': [(1.0, 4.0), (5.0, 9.0)], 'v2': [(2.0, 8.0)]}


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(TOOL.parent)
    spec = importlib.util.spec_from_file_location('compare_proposals', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data_root(tmp_path):
    """Two videos of each subset, with the names and widths of HAPT."""
    root = tmp_path / 'data'
    (root / 'features').mkdir(parents=True)
    database = {}
    for name, segments in VIDEOS.items():
        for subset in ('training', 'test'):
            video = f'{subset} {name}'
            items = [{'segment': list(segment), 'label': 'WALKING'} for segment in segments]
            database[video] = {'subset': subset, 'duration': 10.0, 'annotations': items}
            np.save(root / 'features' / f'{video}.npy', np.zeros((19, 300), dtype=np.float32))
    content = {'classes': ['WALKING'], 'database': database}
    (root / 'annotations.json').write_text(json.dumps(content))
    return root


@pytest.fixture
def runs(tool, tmp_path, data_root, monkeypatch):
    """The runs of HAPT, whose tools only note their call and write what they would."""
    runs = tool.Runs('hapt', 0, tmp_path / 'work', str(data_root))
    runs.calls = []

    def call(name, program, *arguments):
        arguments = [str(argument) for argument in arguments]
        runs.calls.append((Path(program).stem, Path(arguments[0]).stem, arguments[1:]))
        if Path(program).stem == 'train':
            epochs = Config.fromfile(arguments[0]).train_cfg.max_epochs
            checkpoint = runs.folder(name) / f'epoch_{epochs}.pth'
            checkpoint.touch()
            (runs.folder(name) / 'last_checkpoint').write_text(str(checkpoint))
        if Path(program).stem == 'test':
            out = Path(arguments[arguments.index('--out') + 1])
            out.mkdir(parents=True, exist_ok=True)
            ours = name in ('asl', 'actionformer')
            (out / ('detections.json' if ours else 'proposals.json')).write_text(results(0.5))
            if ours:
                metrics = {'mAP': 0.9, 'mAP@0.50': 0.95}
                (out / 'metrics.json').write_text(json.dumps({'metrics': metrics}))

    monkeypatch.setattr(runs, 'call', call)
    return runs


def results(shift):
    """Of each test video its ground truths, moved by seconds."""
    found = {
        f'test {name}': [
            {'segment': [s + shift, e + shift], 'score': 0.1 * i} for i, (s, e) in enumerate(truths)
        ]
        for name, truths in VIDEOS.items()
    }
    return json.dumps({'version': 'VERSION 1.3', 'results': found})


def stems(runs):
    return [(program, config) for program, config, _ in runs.calls]


def test_tcanet_gets_what_bmn_finds_in_all_videos(runs):
    runs.make('tcanet')
    path = runs.made('tcanet')
    assert path == runs.folder('tcanet') / 'proposals.json'
    assert stems(runs) == [
        ('train', 'bmn_hapt'),
        ('test', 'bmn_hapt'),
        ('train', 'tcanet_hapt'),
        ('test', 'tcanet_hapt'),
    ]
    assert 'test_dataloader.dataset.subset=[training,test]' in runs.calls[1][2]
    config = Config.fromfile(runs.folder('tcanet') / 'tcanet_hapt.py')
    for dataset in (config.train_dataloader.dataset.dataset, config.test_dataloader.dataset):
        assert dataset.data_root == f'{runs.data_root}/'
        attach = dataset.pipeline[-1]
        assert attach.type == 'AttachProposals'
        assert attach.path == str(runs.folder('bmn') / 'all' / 'proposals.json')
    # BMN's own are among them
    assert runs.made('bmn') == Path(attach.path)
    assert len(runs.calls) == 4


def test_bsn_goes_by_three_steps(runs):
    runs.make('bsn')
    assert stems(runs) == [
        ('train', 'bsn_tem_hapt'),
        ('test', 'bsn_tem_hapt'),
        ('generate_proposals', 'bsn_pem_hapt'),
        ('train', 'bsn_pem_hapt'),
        ('test', 'bsn_pem_hapt'),
    ]
    tem, out = runs.calls[2][2][0], runs.calls[2][2][2]
    assert runs.calls[1][2][-1] == tem
    config = Config.fromfile(runs.folder('bsn_pem') / 'bsn_pem_hapt.py')
    for name in ('train', 'val', 'test'):
        dataset = config[f'{name}_dataloader'].dataset
        assert dataset.data_prefix.feature == out
        assert dataset.ann_file == f'{runs.data_root}/annotations.json'


def test_what_is_there_is_not_made_again(runs):
    folder = runs.folder('asl')  # as compare.py leaves it
    folder.mkdir(parents=True)
    (folder / 'detections.json').write_text(results(0.0))
    assert runs.made('asl') == folder / 'detections.json'
    assert runs.calls == []
    # Interrupted in training: goes on from there
    folder = runs.folder('bmn')
    folder.mkdir(parents=True)
    (folder / 'epoch_3.pth').touch()
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    runs.make('bmn')
    assert stems(runs) == [('train', 'bmn_hapt'), ('test', 'bmn_hapt')]
    assert runs.calls[0][2][-1] == '--resume'
    # Interrupted in the test: is not trained again
    (folder / 'proposals.json').unlink()
    runs.make('bmn')
    assert stems(runs)[2:] == [('test', 'bmn_hapt')]


def test_runs_of_other_options_are_refused(tool, runs, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'Runs', lambda *_: runs)
    assert tool.main(['hapt', '--methods', 'tcanet']) == 0
    runs.calls.clear()
    (runs.folder('bmn') / 'options.json').write_text('{"amp": true, "cfg_options": ["x=1"]}')
    with pytest.raises(SystemExit) as end:
        tool.main(['hapt', '--methods', 'asl', 'tcanet'])
    assert end.value.code == 2
    line = capsys.readouterr().err
    asked = f'data_root={runs.data_root}'
    assert f'made with {asked} but {runs.folder("bmn")} was made with --amp x=1: ' in line
    assert runs.calls == []  # refused before anything is trained
    assert tool.main(['hapt', '--methods', 'asl']) == 0  # which does not need it


def test_runs_of_a_config_that_has_changed_since_are_refused(tool, runs, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'Runs', lambda *_: runs)
    assert tool.main(['hapt', '--methods', 'tcanet', 'bsn']) == 0
    runs.calls.clear()
    path = runs.folder('bmn') / 'bmn_hapt.py'
    content = Config.fromfile(path)
    content.test_dataloader.dataset.subset = ['training', 'test']  # for TCANet
    content.dump(path)
    assert tool.main(['hapt', '--methods', 'tcanet', 'bsn']) == 0
    content.optim_wrapper.optimizer.lr = 7.0
    content.dump(path)
    with pytest.raises(SystemExit) as end:
        tool.main(['hapt', '--methods', 'tcanet'])
    assert end.value.code == 2
    assert f'{path.parent} was made with 7.0: ' in capsys.readouterr().err
    assert runs.calls == []


def test_numbers_are_those_of_the_metric(tool, runs, tmp_path):
    path = tmp_path / 'proposals.json'
    path.write_text(results(0.5))
    values = tool.make_scorer(runs)(path)
    metric = AverageRecallMetric(numbers=[10, 20, 50, 100, 200])
    for name, truths in VIDEOS.items():
        found = {
            'segments': np.array(truths) + 0.5,
            'scores': 0.1 * np.arange(len(truths)),
            'labels': np.zeros(len(truths), dtype=int),
        }
        sample = {
            'video_name': name,
            'scored_segments': np.array(truths),
            'scored_labels': np.zeros(len(truths), dtype=int),
            'pred_instances': found,
        }
        metric.process(None, [sample])
    assert values == metric.evaluate(2)
    # tIoU 2.5 / 3.5, 3.5 / 4.5, 5.5 / 6.5: 5, 6 and 7 of the ten thresholds
    assert values['AR@200'] == pytest.approx(18 / 30)


def test_a_video_whose_name_is_in_another_normal_form(tool, runs, data_root, tmp_path):
    annotations = data_root / 'annotations.json'
    annotations.write_text(annotations.read_text().replace('test v2', 'caf\\u00e9'))
    (data_root / 'features' / 'test v2.npy').rename(data_root / 'features' / 'caf\xe9.npy')
    path = tmp_path / 'proposals.json'
    path.write_text(json.dumps({'results': {'test v1': [], 'cafe\u0301': []}}))
    with pytest.raises(tool.RunError, match=r'none of caf.; .* in another Unicode normal form'):
        tool.make_scorer(runs)(path)


def test_a_video_without_results(tool, runs, tmp_path):
    path = tmp_path / 'proposals.json'
    path.write_text('{"results": {"test v1": []}}')
    with pytest.raises(tool.RunError, match=r'expected all videos of the test .* none of test v2'):
        tool.make_scorer(runs)(path)
    path.write_text('{"results": {"test v1": [{"segment": [1, 2]}]}}')
    with pytest.raises(ValueError, match=r"proposals.json: video 'test v1': .* no 'score'"):
        tool.make_scorer(runs)(path)


def test_table(tool, runs, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'Runs', lambda *_: runs)
    assert tool.main(['hapt', '--methods', 'bmn', 'bsn', 'asl']) == 0
    lines = capsys.readouterr().out.strip().splitlines()[-5:]
    assert lines[0].startswith('| method | epochs | AUC | AR@10 |')
    assert lines[0].endswith('| mAP |')
    assert lines[2].startswith('| BMN of mmaction2 | 20 | ')
    assert lines[2].endswith('| 60.0 | - |')
    assert lines[3].startswith('| BSN of mmaction2 | 20 + 40 | ')
    assert lines[4].startswith('| ASL | 45 | ')
    assert lines[4].endswith('| 60.0 | 90.0 |')


def test_progress_says_what_runs_and_what_failed(tool, runs, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'Runs', lambda *_: runs)
    assert tool.main(['hapt', '--methods', 'asl']) == 0
    capsys.readouterr()
    call = runs.call

    def broken(name, *arguments):
        if name == 'bsn_pem':
            raise tool.RunError('see its log')
        call(name, *arguments)

    monkeypatch.setattr(runs, 'call', broken)
    assert tool.main(['hapt', '--methods', 'asl', 'bsn', 'bmn']) == 1
    lines = [
        re.sub(r', eta [\d:]+|\d:\d\d:\d\d', '', x) for x in capsys.readouterr().err.splitlines()
    ]
    assert lines == [
        'run 1 of 2: bsn, seed 0',
        'run 1 of 2: bsn, seed 0: ended after ',
        'bsn, seed 0 failed: see its log',
        'run 2 of 2: bmn, seed 0',
        'run 2 of 2: bmn, seed 0: ended after ',
    ]


def test_other_epochs_for_all(tool, data_root, tmp_path, monkeypatch):
    runs = tool.Runs('hapt', 0, tmp_path, str(data_root), 3)
    config = runs.config('asl')
    assert config.train_cfg.max_epochs == 3
    assert config.param_scheduler[0].end == 1  # of 3, before 42 of a cosine
    runs.folder('asl').mkdir(parents=True)
    (runs.folder('asl') / 'options.json').write_text(json.dumps(runs.options))
    config.dump(runs.folder('asl') / 'asl_hapt.py')
    runs.check('asl')
    for epochs in (4, None):
        with pytest.raises(tool.Mistake, match='was made with --epochs 3'):
            tool.Runs('hapt', 0, tmp_path, str(data_root), epochs).check('asl')


def test_mean_and_spread_by_hand(tool):
    rows = {'a': [{'epochs': '3', 'mAP': 0.5, 'AUC': 0.2}, {'epochs': '3', 'mAP': 0.6, 'AUC': 0.2}]}
    assert tool.table(rows).splitlines()[-1] == '| a | 3 | 20.0 ± 0.0 | 55.0 ± 7.1 |'


def test_paths_are_replaced_where_they_begin(tool):
    config = {'a': ['data/x/f', 'other/data/x/f', 3, None], 'b': {'c': ('data/x/',)}}
    expected = {'a': ['new/f', 'other/data/x/f', 3, None], 'b': {'c': ('new/',)}}
    assert sys.modules['proposal_runs'].replace_paths(config, {'data/x/': 'new/'}) == expected


def test_unknown_data(tool, tmp_path, capsys):
    def mistake(*arguments):
        with pytest.raises(SystemExit) as end:
            tool.main([*arguments, '--work-dir', str(tmp_path / 'work')])
        assert end.value.code == 2
        assert not (tmp_path / 'work').exists()
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert 'expected a config bmn_nothing.py' in mistake('nothing')
    assert f'{tmp_path / "annotations.json"}, which does not exist' in mistake(
        'hapt', '--data-root', str(tmp_path)
    )
    assert 'expected --seeds once each but got 0 0' in mistake('hapt', '--seeds', '0', '0')
