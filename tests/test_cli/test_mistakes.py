"""A user's mistake is one line and exit code 2; a bug keeps its traceback."""

from types import SimpleNamespace

import pytest
from mmaction.registry import DATASETS, MODELS
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import nn

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.runner import configure, for_this_run
from asl_mmaction.files.mistakes import Mistake, PackageMistake, ValueMistake

WORKER = """Caught ValueError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "x.py", line 1, in <module>
ValueError: a.npy: expected width 3 but got 4"""


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (Mistake('no\n such thing'), 'no such thing'),
        (FileNotFoundError('a.json is not there'), 'a.json is not there'),
        (PermissionError(13, 'Permission denied', 'a.npy'), "Permission denied: 'a.npy'"),
        (NotADirectoryError(20, 'Not a directory', 'a/b'), "Not a directory: 'a/b'"),
        (OSError(28, 'No space left on device'), 'No space left on device'),
        (ValueMistake('video v: expected 2 but got 3'), 'video v: expected 2 but got 3'),
        (PackageMistake('a.h5: expected h5py, but it is not installed'), 'a.h5: expected h5py'),
        (ValueMistake(WORKER), 'error: a.npy: expected width 3 but got 4\n'),
    ],
)
def test_a_mistake_ends_with_one_line(capsys, error, line):
    with pytest.raises(SystemExit) as caught, report_mistakes():
        raise error
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count('\n') == 1


@pytest.mark.parametrize(
    'error',
    [
        ValueError('operands could not be broadcast together'),
        ValueError('expected 2 but got 3'),  # words alone make no mistake
        RuntimeError('expected scalar type Float but got Half'),
        KeyError('loss_cls'),
        KeyError('X is not in the mmaction::model registry'),  # words, raised elsewhere
        TypeError("Neck.__init__() got an unexpected keyword argument 'x'"),
        AttributeError("'NoneType' object has no attribute 'x'"),
        ImportError("cannot import name 'x' from 'y'"),
        TypeError('unsupported operand type'),
        ZeroDivisionError(),
        OSError('no file is to blame'),
    ],
)
def test_a_bug_passes(error):
    with pytest.raises(type(error)) as caught, report_mistakes():
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ('part', 'line'),
    [
        (
            dict(type='PointHeat'),
            'PointHeat is not in the mmaction::model registry; the nearest there: PointHead, ',
        ),
        (
            dict(type='SigmoidFocalLoss', gama=2),
            "FocalLoss.__init__() got an unexpected keyword argument 'gama'; the nearest there: "
            'gamma, ',
        ),
        (
            dict(type='ConvProjection'),
            'ConvProjection.__init__() missing 2 required keyword-only arguments: '
            "'in_channels' and 'out_channels'\n",
        ),
        # A constructor that hands the rest on to its base.
        (
            dict(type='PointHead', num_class=3),
            "BaseDenseHead.__init__() got an unexpected keyword argument 'num_class'; the nearest "
            'there: num_classes, ',
        ),
        (dict(type=3), "type must be a str or valid type, but got <class 'int'>\n"),
        (dict(type='torch.nn.Dropout', p=2), 'Dropout does not take what the config gives it'),
    ],
)
def test_what_a_config_may_not_say(capsys, part, line):
    scope = DefaultScope.overwrite_default_scope('mmaction')
    with scope, pytest.raises(SystemExit), report_mistakes():
        MODELS.build(part)
    err = capsys.readouterr().err
    assert line in err
    assert err.count('\n') == 1


def test_what_the_stack_does_not_take_is_a_mistake_but_our_own_error_is_none():
    @MODELS.register_module()
    class Broken(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.norm = nn.LayerNorm('x' * count)

    try:
        with pytest.raises(SystemExit), report_mistakes():
            MODELS.build(dict(type='torch.nn.Dropout', p=2))
        with pytest.raises(TypeError), report_mistakes():  # ours gives it, not the config
            MODELS.build(dict(type='Broken', count=1))
    finally:
        del MODELS.module_dict['Broken']


def test_a_wrapper_that_wants_more_of_what_it_wraps(demo_data, capsys):
    part = dict(
        type='TALDataset', data_root=str(demo_data), ann_file='annotations.json', subset='test'
    )
    joined = dict(type='ConcatDataset', datasets=[part])
    wrapper = dict(type='ClassBalancedDataset', dataset=joined, oversample_thr=0.5)
    scope = DefaultScope.overwrite_default_scope('mmaction')
    with scope, pytest.raises(SystemExit), report_mistakes():
        DATASETS.build(wrapper)
    message = "ClassBalancedDataset does not take what the config gives it: 'ConcatDataset' object"
    assert message in capsys.readouterr().err


def test_an_error_of_the_training_passes(tiny_config, tmp_path, monkeypatch):
    args = SimpleNamespace(
        config=str(tiny_config),
        work_dir=str(tmp_path / 'work'),
        cfg_options={},
        launcher='none',
        local_rank=0,
    )
    runner = Runner.from_cfg(for_this_run(configure(args), args))
    wrong = dict(type='torch.nn.Dropout', p=2)
    monkeypatch.setattr(runner.model, 'train_step', lambda *_, **__: MODELS.build(wrong))
    with pytest.raises(ValueError, match='dropout probability'), report_mistakes():
        runner.train()
