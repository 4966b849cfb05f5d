"""tools/train.py: what its options do, and a training that is killed goes on as if it was not."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger

from asl_mmaction.cli.checks import coverage
from asl_mmaction.cli.settings import parse_settings
from asl_mmaction.files.checkpoint import load_checkpoint

TRAIN = Path(__file__).parents[2] / 'tools' / 'train.py'


@pytest.fixture
def train(tmp_path, monkeypatch, load_tool):
    """Run the tool in this process, in a folder of its own; the work dir is ``work`` there."""
    tool = load_tool('train')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [str(TRAIN)])

    def run(config, *options):
        MMLogger._instance_dict.clear()  # two runs in one second have one name
        return tool.main([str(config), '--work-dir', 'work', *options])

    return run


@pytest.fixture(scope='module')
def trained(tiny_config_text, tmp_path_factory, load_tool):
    """A work dir after one epoch."""
    folder = tmp_path_factory.mktemp('trained')
    (folder / 'tiny.py').write_text(tiny_config_text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = ['--no-validate', '--cfg-options', 'train_cfg.max_epochs=1']
        assert load_tool('train').main(['tiny.py', '--work-dir', 'work', *options]) == 0
    return folder / 'work'


@pytest.fixture
def work(trained, tmp_path):
    """A copy of that, as the work dir of :func:`train`."""
    folder = shutil.copytree(trained, tmp_path / 'work')
    return folder


def refusal(train, capsys, *arguments):
    """The one line that a training ends with."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        train(*map(str, arguments))
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('train.py: error: ')
    return last


def log_of(folder):
    return '\n'.join(path.read_text() for path in sorted(folder.glob('*/*.log')))


STOPS = """
import time
from mmaction.registry import HOOKS
from mmengine.hooks import Hook

@HOOKS.register_module()
class StopHook(Hook):
    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter == 5:  # the second step of the second epoch
            time.sleep(600)
"""


def test_killed_training_resumes_and_ends_where_the_uninterrupted_one_does(
    tiny_config, tmp_path, train, run_python, capsys
):
    assert train(tiny_config, '--work-dir', 'whole') == 0

    (tmp_path / 'stops.py').write_text(STOPS)
    (tmp_path / 'stopping.py').write_text(
        "_base_ = ['tiny.py']\n"
        "custom_imports = dict(imports=['asl_mmaction', 'stops'])\n"
        "default_hooks = dict(stop=dict(type='StopHook'), checkpoint=dict(interval=1))\n"
    )
    process = subprocess.Popen(
        [sys.executable, TRAIN, 'stopping.py', '--work-dir', 'work'],
        cwd=tmp_path,
        env={**run_python.environment, 'PYTHONPATH': f'{TRAIN.parents[1]}:{tmp_path}'},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    work = tmp_path / 'work'
    while not re.search(r'Epoch\(train\)\s+\[2\]\[1/', log_of(work)):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name for path in work.glob('epoch_*.pth')] == ['epoch_1.pth']

    assert train(tiny_config, '--resume') == 0
    assert 'resumed epoch: 1, iter: 4' in log_of(work)
    ours, theirs = (
        torch.load(folder / 'epoch_3.pth', weights_only=True)
        for folder in (work, tmp_path / 'whole')
    )
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert_equal(ours[part], theirs[part])

    # The best has weights alone.
    best = 'whole/best_mAP_epoch_3.pth'
    assert (
        f'{best}: expected the checkpoint of a training to resume but got one without optimizer; '
        f'to start from its weights: --cfg-options load_from={best}'
    ) in refusal(train, capsys, tiny_config, '--resume', best)
    best = load_checkpoint(best)
    assert_equal(best['state_dict'], theirs['state_dict'])


def assert_equal(ours, theirs):
    if isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            assert_equal(ours[key], value)
    elif isinstance(theirs, (list, tuple)):
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)
    else:
        assert ours == theirs


def test_segments_that_nothing_is_learned_of_are_said_before_the_training(
    tiny_config, train, monkeypatch
):
    class SaidError(Exception):
        pass

    def stop(text, **_):
        raise SaidError(text)

    monkeypatch.setattr(coverage, 'print_log', stop)
    ranges = 'model.head.regress_ranges=[(0,1),(1,2),(2,3)]'
    with pytest.raises(
        SaidError, match=r'annotations.json: nothing can be learned of \d+ of \d+ seg'
    ):
        train(tiny_config, '--cfg-options', ranges)


def test_options_do_what_they_say(tiny_config, tmp_path, train):
    options = ['--amp', '--no-validate', '--auto-scale-lr', '--seed', '7']
    settings = ['train_cfg.max_epochs=1', 'auto_scale_lr.base_batch_size=1']
    assert train(tiny_config, *options, '--cfg-options', *settings) == 0
    log = log_of(tmp_path / 'work')
    assert re.search(r'^\s*seed: 7$', log, re.M)
    assert 'Epoch(val)' not in log
    assert 'Scaling the original LR by 2.0' in log
    assert "type='BFloat16OptimWrapper'" in (tmp_path / 'work' / 'tiny.py').read_text()
    losses = [float(loss) for loss in re.findall(r' loss: (\S+)', log)]
    assert len(losses) == 4
    assert all(loss > 0 for loss in losses)

    options = ['--auto-scale-lr', '--seed', '7', '--cfg-options', *settings[1:]]
    assert train(tiny_config, '--no-validate', '--resume', 'work/epoch_1.pth', *options) == 0
    assert 'resumed epoch: 1, iter: 4' in log_of(tmp_path / 'work')
    assert (tmp_path / 'work' / 'epoch_3.pth').is_file()


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('model.neck.type=Nek', 'Nek is not in the mmaction::model registry'),
        ('model.neck.colour=red', "got an unexpected keyword argument 'colour'"),
        ('train_dataloader.dataset.ann_file=none.json', 'none.json'),
        ('train_dataloader.dataset.pipeline.0.feat_dim=5', 'but got'),
        ('load_from=none.pth', 'none.pth'),
        (
            'train_cfg.max_epochs',
            'expected KEY=VALUE for --cfg-options but got train_cfg.max_epochs',
        ),
        (
            'model.head.strides=[2,4,8]',
            'head: expected the strides [1, 2, 4] of',
        ),
        ('model.data_preprocessor.size_divisor=2', 'expected size_divisor to be a multiple of '),
        ('optim_wrapper.optimizer.lr=-1', 'AdamW does not take what the config gives it: Invalid'),
        ('train_dataloader.num_workers=-1', 'DataLoader does not take what the config gives it: '),
        ('param_scheduler.0.type=Foo', 'Foo is not in the parameter scheduler registry'),
        ('param_scheduler.0.start_factor=7', 'LinearLR does not take what the config gives it: '),
        ('train_cfg.max_epochs=1.5', 'EpochBasedTrainLoop does not take what the config gives it'),
        ('default_hooks.checkpoint.rule=Foo', 'CheckpointHook does not take what the config gives'),
        ('randomness.seed=-1', 'Runner does not take what the config gives it: Seed must be'),
        ('train_cfg.max_epochs=0', 'expected a training of 1 step or more but got 0 epochs'),
        (
            'train_dataloader.batch_sampler=None train_dataloader.drop_last=True '
            'train_dataloader.batch_size=99',
            'of 1 step or more but got 3 epochs',
        ),
    ],
)
def test_a_mistake_ends_in_one_line(tiny_config, train, capsys, option, message):
    with pytest.raises(SystemExit) as caught:
        train(tiny_config, '--cfg-options', *option.split())
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('train.py: error: ')
    assert message in last


@pytest.mark.parametrize(
    ('scores', 'message'),
    [
        (None, 'scores.json, which does not exist'),
        ('{', 'scores.json: expected JSON'),
        ('{"class": [], "results": {}}', 'scores.json: expected scores of all classes'),
        (
            '{"class": ["early", "rising", "middle", "falling", "late"], "results": {}}',
            "scores.json: expected scores of video 'test_0000' but got 0 videos",
        ),
    ],
)
def test_scores_of_the_videos_are_read_before_the_training(
    tiny_config, train, tmp_path, capsys, scores, message
):
    text = "val_evaluator = dict(score_fusion=dict(type='VideoScoreFusion', path='scores.json'))"
    tiny_config.write_text(f'{tiny_config.read_text()}\n{text}\n')
    if scores is not None:
        (tmp_path / 'scores.json').write_text(scores)
    with pytest.raises(SystemExit) as caught:
        train(tiny_config)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert 'Epoch(train)' not in log_of(tmp_path / 'work')


@pytest.mark.parametrize(
    ('data', 'classes', 'message'),
    [
        ('train', ['x', 'y'], 'expected 5 classes (model.head.num_classes) but got 7 in the train'),
        (
            'val',
            [],
            "in the val data {} but got 5, of which number 0 is 'early' instead of 'rising'",
        ),
    ],
)
def test_classes_are_those_of_the_model_and_the_validation(
    tiny_config, demo_data, train, capsys, data, classes, message
):
    content = json.loads((demo_data / 'annotations.json').read_text())
    content['classes'] = sorted(content['classes'], reverse=data == 'train') + classes
    other = demo_data / f'other_{data}.json'
    other.write_text(json.dumps(content))
    if data == 'val':
        content['classes'].reverse()
        (demo_data / 'other_train.json').write_text(json.dumps(content))
    options = [f'{name}_dataloader.dataset.ann_file=other_{name}.json' for name in ('train', data)]
    with pytest.raises(SystemExit) as caught:
        train(tiny_config, '--cfg-options', *options)
    assert caught.value.code == 2
    assert message.format(other) in capsys.readouterr().err.splitlines()[-1]


def test_what_is_no_checkpoint_is_refused_before_the_start(tiny_config, train, tmp_path, capsys):
    path = tmp_path / 'text.pth'
    path.write_text('no checkpoint')
    with pytest.raises(SystemExit):
        train(tiny_config, '--resume', str(path))
    error = capsys.readouterr().err
    assert error.startswith('train.py: error: ')
    assert f'{path}: it is damaged' in error


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda content: content.pop('optimizer'), 'but got one without optimizer; to start from'),
        (
            lambda content: content['state_dict'].pop('head.cls_out.bias'),
            'such as head.cls_out.bias: expected (5,) but got none',
        ),
        (
            lambda content: content['meta']['dataset_meta']['classes'].reverse(),
            'but got 5, of which number 0 is',
        ),
        (
            lambda content: content['meta'].update(config="open('ran', 'w')"),
            "expected a checkpoint without meta['config'] but got one",
        ),
    ],
    ids=['weights alone', 'another model', 'other classes', 'text that is run'],
)
@pytest.mark.parametrize('given', [True, False])
def test_what_cannot_be_resumed_is_refused(
    tiny_config, train, work, capsys, change, message, given
):
    path = work / 'epoch_1.pth'
    content = torch.load(path)
    classes = content['meta']['dataset_meta']
    classes['classes'] = list(classes['classes'])
    change(content)
    torch.save(content, path)
    line = refusal(train, capsys, tiny_config, '--resume', *([path] if given else []))
    assert message in line


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--cfg-options', 'optim_wrapper.optimizer.lr=1e-5'], 'expected optim_wrapper.optimizer.'),
        (['--seed', '7'], 'epoch_1.pth: expected randomness.seed=0, as its training was started '),
        (
            [
                '--cfg-options',
                'train_dataloader.dataset.exclude_videos=[training_0000,training_0001]',
            ],
            'expected 3 steps in 1 epochs, with this data, batch size and number of processes, bu',
        ),
    ],
)
@pytest.mark.parametrize('given', [True, False])
def test_a_training_is_resumed_with_the_settings_of_its_start(
    tiny_config, train, work, capsys, arguments, message, given
):
    kept = (work / 'tiny.py').read_bytes()
    path = work / 'epoch_1.pth'
    line = refusal(train, capsys, tiny_config, *arguments, '--resume', *([path] if given else []))
    assert message in line
    named = path if given else Path('work', path.name)  # that of the copy, not of its original
    assert line.endswith(f'--cfg-options load_from={named}')
    assert (work / 'tiny.py').read_bytes() == kept


def test_what_is_finished_is_resumed_in_a_line(tiny_config, train, work):
    weights = (work / 'epoch_1.pth').read_bytes()
    options = ['--no-validate', '--cfg-options', 'train_cfg.max_epochs=1']
    assert train(tiny_config, '--resume', *options) == 0
    assert 'epoch_1.pth has all 4 steps of the training: nothing is left to do' in log_of(work)
    assert (work / 'epoch_1.pth').read_bytes() == weights


def test_without_a_checkpoint_a_resumed_training_starts_as_any_other(
    tiny_config, train, work, tmp_path
):
    options = ['train_cfg.max_epochs=1', f'load_from={work / "epoch_1.pth"}']
    new = tmp_path / 'new'
    assert (
        train(
            *(tiny_config, '--no-validate', '--resume', '--work-dir', str(new)),
            *('--cfg-options', *options),
        )
        == 0
    )
    log = log_of(new)
    assert f'no checkpoint in {new} to resume from: a training from the start' in log
    assert re.search(r'load_from \S+/epoch_1.pth: (\d+) of \1 weights fit\n', log)


def test_arguments_of_a_run_do_not_act_on_the_next(tiny_config, train, work, tmp_path):
    """The config that a run leaves is the experiment: the same in any folder, from the start."""
    left = Config.fromfile(work / 'tiny.py')
    assert left.train_cfg.max_epochs == 1  # a setting
    assert left.val_dataloader.batch_size == 2  # --no-validate is none
    assert left.keys().isdisjoint({'work_dir', 'launcher'})
    path = work / 'epoch_1.pth'
    options = ['--no-validate', '--resume', str(path)]
    assert train(tiny_config, *options, '--work-dir', 'more') == 0
    more = Config.fromfile('more/tiny.py')
    assert (more.resume, more.load_from, more.train_cfg.max_epochs) == (False, None, 3)
    kept = parse_settings(torch.load('more/epoch_3.pth')['meta']['cfg'])
    assert (kept['resume'], kept['load_from'], 'work_dir' in kept) == (False, None, False)
    # As such a run left it before
    tiny_config.write_text(f'{tiny_config.read_text()}\nresume = True\nload_from = {str(path)!r}\n')
    settings = ['--cfg-options', 'train_cfg.max_epochs=1']
    assert train(tiny_config, '--no-validate', '--work-dir', 'again', *settings) == 0
    log = log_of(tmp_path / 'again')
    assert f'resume of {tiny_config} has no effect: the option --resume asks for it' in log
    assert not re.search(r'load_from \S+:|resumed epoch', log)
    assert [path.name for path in Path('again').glob('*.pth')] == ['epoch_1.pth']
    assert_equal(
        *(torch.load(folder / 'epoch_1.pth')['state_dict'] for folder in (work, Path('again')))
    )
    settings.append('resume=True')  # by an option of this run
    assert train(tiny_config, '--no-validate', '--work-dir', 'again', *settings) == 0
    assert 'nothing is left to do' in log_of(tmp_path / 'again')


@pytest.mark.parametrize(
    'option',
    [
        'train_dataloader.dataset.pipeline.0.feat_dim=5',  # found at the first step
        'optim_wrapper.optimizer.lr=-1',
        'load_from=none.pth',
    ],
)
def test_a_start_that_fails_leaves_the_config_of_a_finished_training(
    tiny_config, train, work, capsys, option
):
    kept = (work / 'tiny.py').read_bytes()
    refusal(train, capsys, tiny_config, '--cfg-options', option)
    assert (work / 'tiny.py').read_bytes() == kept


def test_a_second_training_in_a_folder_is_said(tiny_config, train, work, capsys):
    with pytest.raises(SystemExit):
        train(tiny_config, '--cfg-options', 'optim_wrapper.optimizer.lr=-1')
    assert 'work has the checkpoints of another training, up to epoch_1.pth' in log_of(work)


def test_weights_to_start_from_are_compared(tiny_config, train, work, tmp_path, capsys):
    path = work / 'epoch_1.pth'
    content = torch.load(path)
    content['meta']['dataset_meta']['classes'] = content['meta']['dataset_meta']['classes'][::-1]
    torch.save(content, 'other.pth')
    line = refusal(train, capsys, tiny_config, '--cfg-options', 'load_from=other.pth')
    assert 'expected the 5 classes of the checkpoint other.pth, in that order, in' in line
    state = {f'backbone.{key}': value for key, value in content['state_dict'].items()}
    torch.save({'state_dict': state}, 'alien.pth')
    line = refusal(train, capsys, tiny_config, '--cfg-options', 'load_from=alien.pth')
    assert 'load_from alien.pth: expected weights that fit this model, such as ' in line
    assert ', but got backbone.' in line
    content['meta']['dataset_meta'] = {}
    del content['state_dict']['head.cls_out.bias']
    torch.save(content, 'part.pth')
    settings = ['train_cfg.max_epochs=1', 'load_from=part.pth']
    assert train(tiny_config, '--no-validate', '--cfg-options', *settings) == 0
    log = log_of(work)
    assert 'weights fit; left at random: head.cls_out.bias\n' in log
    assert 'part.pth: its classes are not known, and taken for those of the data' in log
    assert Config.fromfile(work / 'tiny.py').load_from == 'part.pth'  # of the experiment


@pytest.mark.parametrize(
    ('content', 'message'), [(None, 'which is a folder'), ('a = 1', 'expected a config of a model')]
)
def test_what_is_no_config_of_a_model_is_refused(train, tmp_path, capsys, content, message):
    path = tmp_path / 'config.py'
    path.mkdir() if content is None else path.write_text(content)
    with pytest.raises(SystemExit):
        train(path)
    assert message in capsys.readouterr().err


def test_a_checkpoint_to_resume_from_must_be_there(tiny_config, train, capsys):
    with pytest.raises(SystemExit) as caught:
        train(tiny_config, '--resume', 'none.pth')
    assert caught.value.code == 2
    assert 'none.pth' in capsys.readouterr().err.splitlines()[-1]


def test_help_has_no_gpus(train, capsys):
    # mim would append --gpus and --device.
    with pytest.raises(SystemExit) as caught:
        train('--help')
    assert caught.value.code == 0
    assert '--gpus' not in capsys.readouterr().out


def test_compile_changes_no_result(double, train, tiny_config, tmp_path):
    torch.compiler.reset()
    # Of one shape, and of two levels: each operation costs time to compile.
    fixed = ['train_cfg.max_epochs=1', 'model.data_preprocessor.min_len=512']
    fixed += ['model.neck.num_levels=2', 'model.data_preprocessor.size_divisor=2']
    fixed += ['model.head.strides=[1,2]', 'model.head.regress_ranges=[[0,4],[4,10000]]']
    results = []
    for options in ([], ['compile.backend=eager']):
        train(tiny_config, '--no-validate', '--cfg-options', *fixed, *options)
        results.append(torch.load(tmp_path / 'work' / 'epoch_1.pth', weights_only=True))
    assert 'CompileHook' in log_of(tmp_path / 'work')
    for ours, theirs in zip(*(result['state_dict'].values() for result in results), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_training_that_ends_before_a_scheduler_begins_is_refused(train, tiny_config, capsys):
    tiny_config.write_text(tiny_config.read_text().replace('end=1,', 'begin=3, end=4,'))
    with pytest.raises(SystemExit) as caught:
        train(tiny_config)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert 'expected a training of more than 3 epochs (train_cfg) but got 3, and param_s' in line


def test_a_monitor_that_no_metric_gives_is_refused(train, tiny_config, capsys):
    with pytest.raises(SystemExit) as caught:
        train(tiny_config, '--cfg-options', 'default_hooks.checkpoint.save_best=mAP@0.9')
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mAP@0.70) as save_best of CheckpointHook but got 'mAP@0.9'" in line
