from types import SimpleNamespace

import pytest
from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook, EarlyStoppingHook, EMAHook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from asl_mmaction.cli.checks.monitors import check_monitors
from asl_mmaction.evaluation.metrics import AverageRecallMetric, TALMetric

MAP = TALMetric([0.5])
PLATEAU = {'type': 'ReduceOnPlateauLR', 'monitor': 'mAP', 'rule': 'greater'}


class Epochs(EpochBasedTrainLoop):
    def __init__(self, epochs=3, val_begin=1):
        self._max_epochs, self._max_iters, self.val_begin = epochs, 5 * epochs, val_begin


class Steps(IterBasedTrainLoop):
    def __init__(self, steps, val_begin=1):
        self._max_epochs, self._max_iters, self.val_begin = 1, steps, val_begin


def check(*hooks, metrics=(MAP,), schedulers=None, train_loop=None):
    val_loop = metrics and SimpleNamespace(evaluator=SimpleNamespace(metrics=metrics))
    check_monitors(
        SimpleNamespace(
            hooks=hooks,
            val_loop=val_loop or None,
            train_loop=train_loop or Epochs(),
            param_schedulers=schedulers,
        )
    )


def test_names_that_are_given():
    check()
    check(CheckpointHook(), CheckpointHook(save_best='auto'), EMAHook())
    check(CheckpointHook(save_best=['mAP', 'mAP@0.50']), EarlyStoppingHook('mAP'))
    check(schedulers=[PLATEAU, {'type': 'LinearLR'}])
    several = (TALMetric([0.5], prefix='a'), AverageRecallMetric(prefix='b'))
    check(CheckpointHook(save_best='b/AR@1'), EarlyStoppingHook('a/mAP'), metrics=several)


@pytest.mark.parametrize(
    ('hook', 'message'),
    [
        (CheckpointHook(save_best='mAP@0.5'), 'as save_best of CheckpointHook but got .mAP@0.5.$'),
        (CheckpointHook(save_best=['mAP', 'acc']), "as save_best of CheckpointHook but got 'acc'"),
        (EarlyStoppingHook('loss'), "as monitor of EarlyStoppingHook but got 'loss'"),
    ],
)
def test_names_that_are_not_given(hook, message):
    with pytest.raises(ValueError, match=rf'gives \(mAP, mAP@0\.50\) {message}') as error:
        check(hook)
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match=r'gives \(p/mAP, p/mAP@0\.50\)'):
        check(CheckpointHook(save_best='mAP'), metrics=(TALMetric([0.5], prefix='p'),))


@pytest.mark.parametrize('schedulers', [{'a': [PLATEAU]}, PLATEAU])
def test_names_that_schedulers_look_for(schedulers):
    with pytest.raises(ValueError, match=r"as param_scheduler\S*\.monitor but got 'mAP'"):
        check(schedulers=schedulers, metrics=(AverageRecallMetric(),))
    message = r"\(mAP, mAP@0.50\) as param_scheduler.0.monitor but got 'loss'"
    with pytest.raises(ValueError, match=message):  # mmengine's default
        check(schedulers=[{'type': 'ReduceOnPlateauLR'}])


@pytest.mark.parametrize(
    ('hook', 'where'),
    [
        (CheckpointHook(save_best='mAP', rule='less'), 'save_best of CheckpointHook'),
        (EarlyStoppingHook('mAP', rule='less'), 'monitor of EarlyStoppingHook'),
        (None, r'param_scheduler\.0\.monitor'),  # mmengine's default
    ],
)
def test_the_least_is_not_the_best(hook, where):
    plateau = {'type': 'ReduceOnPlateauLR', 'monitor': 'mAP'}
    hooks, schedulers = ([hook], []) if hook else ([], [plateau])
    with pytest.raises(ValueError, match=rf"expected rule='greater' beside {where}, .* 'less'"):
        check(*hooks, schedulers=schedulers)


def test_without_validation(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.cli.checks.monitors.print_log', lambda text, **_: lines.append(text)
    )
    check(CheckpointHook(save_best='mAP'), metrics=())
    assert lines == []
    check(EarlyStoppingHook('mAP'), metrics=())
    assert lines == ['EarlyStoppingHook stops nothing: there is no validation']
    message = r"of which param_scheduler\.0\.monitor is to read 'mAP', but got none"
    with pytest.raises(ValueError, match=message):
        check(metrics=(), schedulers=[PLATEAU])


def test_a_validation_that_begins_too_late():
    check(train_loop=Epochs(3, val_begin=3))
    check(train_loop=Steps(9, val_begin=9))
    for loop, last in ((Epochs(3, val_begin=4), 3), (Steps(9, val_begin=1000), 9)):
        with pytest.raises(ValueError, match=rf'val_begin of {last} or less, .* but got'):
            check(train_loop=loop)


def test_metrics_of_others_are_trusted():
    class Other(BaseMetric):
        default_prefix = ''

        def process(self, data_batch, data_samples):
            pass

        def compute_metrics(self, results):
            return {}

    check(CheckpointHook(save_best='accuracy'), metrics=(MAP, Other()))
