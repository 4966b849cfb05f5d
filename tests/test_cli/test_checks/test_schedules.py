from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.hooks import CheckpointHook, EMAHook, ParamSchedulerHook
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from asl_mmaction.cli.checks import schedules
from asl_mmaction.cli.checks.schedules import check_schedules

STEPS = 5  # of an epoch


class Epochs(EpochBasedTrainLoop):
    def __init__(self, epochs):
        self.dataloader = range(STEPS)
        self._max_epochs, self._max_iters = epochs, epochs * STEPS


class Steps(IterBasedTrainLoop):
    def __init__(self, steps):
        self.dataloader = range(STEPS)
        self._max_epochs, self._max_iters = 1, steps


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(schedules, 'print_log', lambda text, **_: lines.append(text))
    return lines


def check(schedulers, loop, *hooks):
    check_schedules(SimpleNamespace(train_loop=loop, param_schedulers=schedulers, hooks=hooks))


def rates(config, loop):
    """Learning rate of every step, by mmengine's own scheduler and hook; 1.0 without any."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = OptimWrapper(torch.optim.SGD([parameter], lr=1.0))
    end = loop.max_epochs if config.get('by_epoch', True) else loop.max_iters  # as the Runner
    scheduler = PARAM_SCHEDULERS.build(
        {'end': end, **config}, default_args={'optimizer': optimizer, 'epoch_length': STEPS}
    )
    runner, hook = SimpleNamespace(param_schedulers=[scheduler]), ParamSchedulerHook()
    found = []
    for step in range(loop.max_iters):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        hook.after_train_iter(runner, step)
        if isinstance(loop, EpochBasedTrainLoop) and step % STEPS == STEPS - 1:
            hook.after_train_epoch(runner)
    return np.array(found)


def cosine(**settings):
    return {'type': 'CosineAnnealingLR', 'eta_min': 0.1, **settings}


def test_what_fits_is_let_through(warnings):
    warmup = {'type': 'LinearLR', 'end': 2, 'convert_to_iter_based': True}
    fitting = [warmup, cosine(begin=2, convert_to_iter_based=True)]
    for schedulers in (None, [], fitting, {'a': fitting, 'b': warmup}, warmup):
        check(schedulers, Epochs(4), CheckpointHook(), EMAHook())
    check([{'type': 'MultiStepLR', 'milestones': [1, 3]}], Epochs(4))
    check([cosine(by_epoch=False)], Steps(7), CheckpointHook(by_epoch=False))
    check([cosine(convert_to_iter_based=True, end=2)], Steps(10))
    check([{'type': 'ReduceOnPlateauLR', 'monitor': 'mAP'}], Steps(7))
    check([cosine(end=2), cosine(begin=2)], Epochs(4))
    assert not warnings


@pytest.mark.parametrize(
    ('config', 'loop', 'message'),
    [
        (
            cosine(begin=4, end=9),
            Epochs(4),
            'more than 4 epochs .* got 4, and param_scheduler.0 begins',
        ),
        (cosine(begin=20, end=99, by_epoch=False), Epochs(4), 'more than 20 steps .* but got 20'),
        (cosine(begin=9, end=99, by_epoch=False), Steps(7), 'more than 9 steps .* but got 7, and'),
        (
            cosine(begin=2, end=3, convert_to_iter_based=True),
            Steps(7),
            r'more than 2 epochs .* but got 1\.4, and param_scheduler.0 begins after 2',
        ),
        (cosine(end=5), Steps(7), 'by_epoch=False in param_scheduler.0, .* but got by_epoch=True'),
        ({'type': 'LinearLR', 'start_factor': 1, 'end_factor': 0.5}, Steps(7), 'no epochs'),
    ],
)
def test_what_never_acts_is_refused(config, loop, message):
    assert (rates(config, loop) == 1).all()
    with pytest.raises(ValueError, match=message) as error:
        check([config], loop)
    assert '\n' not in str(error.value)


def test_a_schedule_over_one_epoch_of_a_loop_without_is_refused():
    """mmengine ends it after an epoch's steps, wherever the training ends."""
    config = cosine(convert_to_iter_based=True)
    found = rates(config, Steps(20))
    assert (found[STEPS:] == found[STEPS]).all()
    with pytest.raises(ValueError, match=r'expected an end in param_scheduler\.0, in epochs of 5'):
        check([config], Steps(20))


def test_an_end_before_the_begin_is_refused():
    message = r'expected param_scheduler\.a\.1 to end after begin=3 but got end=3'
    with pytest.raises(ValueError, match=message):
        check({'a': [cosine(end=1), cosine(begin=3, end=3)]}, Epochs(4))


def test_one_cycle_that_would_stop_the_training_is_refused(warnings):
    config = {'type': 'OneCycleLR', 'eta_max': 1.0, 'total_steps': 3}
    with pytest.raises(ValueError, match='Tried to step 5 times'):  # mmengine, in the fifth epoch
        rates(config, Epochs(6))
    message = r'expected param_scheduler\.0 \(OneCycleLR\) to have total_steps=6, its epochs, but '
    with pytest.raises(ValueError, match=message):
        check([config], Epochs(6))


def rises(found):
    return (np.diff(found) > 1e-9).any()


@pytest.mark.parametrize(
    ('config', 'loop', 'half_done', 'message'),
    [
        (
            cosine(end=8),
            Epochs(4),
            lambda found: found[-1] > 0.6,
            'param_scheduler.0 (CosineAnnealingLR) ends after 8 epochs and the training after 4: '
            'it is not completed',
        ),
        (
            {'type': 'LinearLR', 'start_factor': 0.1, 'end': 90, 'by_epoch': False},
            Steps(7),
            lambda found: found[-1] < 0.2,
            'param_scheduler.0 (LinearLR) ends after 90 steps and the training after 7: it is not '
            'completed',
        ),
        (
            cosine(end=2),
            Epochs(4),
            lambda found: (found[2 * STEPS :] == found[-1]).all(),
            'param_scheduler.0 (CosineAnnealingLR) ends after 2 epochs and the training after 4: '
            'it goes on with the last value',
        ),
        (
            cosine(T_max=2),
            Epochs(4),
            rises,
            'expected param_scheduler.0 (CosineAnnealingLR) to have T_max=4, its epochs, but got 2',
        ),
        (
            {'type': 'MultiStepLR', 'milestones': [1, 4, 9]},
            Epochs(4),
            lambda found: len(set(found)) == 2,
            'param_scheduler.0 (MultiStepLR) is to act after [4, 9] epochs too, which it does not '
            'reach',
        ),
        (
            {'type': 'StepLR', 'step_size': 7, 'by_epoch': False},
            Steps(7),
            lambda found: len(set(found)) == 1,
            'param_scheduler.0 (StepLR) is to act after [7] steps too, which it does not reach',
        ),
    ],
)
def test_what_is_cut_off_is_warned_of(warnings, config, loop, half_done, message):
    assert half_done(rates(config, loop))
    check([config], loop)
    assert warnings == [message]


def test_a_checkpoint_of_each_epoch_where_there_is_one(warnings):
    check(None, Epochs(4), CheckpointHook())
    check(None, Steps(7), CheckpointHook(by_epoch=False))
    assert not warnings
    check(None, Steps(7), CheckpointHook())
    assert warnings == [
        'CheckpointHook counts epochs (by_epoch=True), and an IterBasedTrainLoop is one: the only '
        'checkpoint is written at the end'
    ]
