"""The moving average of the weights: always there, where it was, and once."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from asl_mmaction.engine.hooks import OneEMAHook

BASE = Path(__file__).parents[3] / 'configs' / '_base_' / 'default_runtime.py'
ORDER = [
    *('OneSyncRuntimeInfoHook', 'IterTimerHook', 'DistSamplerSeedHook', 'EpochSeedHook'),
    *('OneEMAHook', 'LoggerHook', 'ParamSchedulerHook', 'PacedCheckpointHook'),
]


@pytest.fixture
def runner():
    """Function: a Runner that has nothing but a model and the hooks of a child of the base."""

    def build(folder, text=''):
        path = folder / 'own.py'
        path.write_text(f"_base_ = ['{BASE}']\n{text}\n")
        config = Config.fromfile(path)
        runner = Runner.__new__(Runner)
        runner._hooks, runner.model = [], torch.nn.Linear(1, 1)
        runner.register_hooks(config.default_hooks, config.custom_hooks)
        return runner

    with DefaultScope.overwrite_default_scope('mmaction'):
        yield build


def names_of(runner):
    return [type(hook).__name__ for hook in runner.hooks]


@pytest.mark.parametrize(
    ('text', 'more'),
    [
        ('', []),
        ("custom_hooks = [dict(type='SyncBuffersHook')]", ['SyncBuffersHook']),
        (
            "custom_hooks = [*_base_.custom_hooks, dict(type='SyncBuffersHook')]",
            ['SyncBuffersHook'],
        ),
    ],
)
def test_a_child_with_hooks_of_its_own_keeps_the_average(runner, tmp_path, text, more):
    found = runner(tmp_path, text)
    assert names_of(found) == [*ORDER[:5], *more, *ORDER[5:]]
    ema = found.hooks[4]
    assert ema.ema_cfg == {'type': 'ForeachEMA', 'momentum': 0.001, 'gamma': 10}


def test_a_child_may_do_without(runner, tmp_path):
    assert names_of(runner(tmp_path, 'default_hooks = dict(ema=None)')) == [
        name for name in ORDER if name != 'OneEMAHook'
    ]


@pytest.mark.parametrize('kind', ['EMAHook', 'OneEMAHook'])
def test_two_are_refused(runner, tmp_path, kind):
    found = runner(tmp_path, f"custom_hooks = [dict(type='{kind}')]")
    assert names_of(found)[4:6] == ['OneEMAHook', kind]
    with pytest.raises(ValueError, match=r'expected one EMA hook, .* but got 2: set default_hooks'):
        found.hooks[4].before_run(found)


def test_one_is_that_of_mmengine(runner, tmp_path):
    found = runner(tmp_path)
    (hook,) = (hook for hook in found.hooks if isinstance(hook, EMAHook))
    hook.before_run(found)
    assert isinstance(hook, OneEMAHook)
    assert torch.equal(hook.ema_model.module.weight, found.model.weight)
