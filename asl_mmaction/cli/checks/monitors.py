"""Names that hooks and schedulers look for among the metrics, found wrong before the training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from mmaction.registry import PARAM_SCHEDULERS
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner

from asl_mmaction.cli.checks.schedules import schedulers_of
from asl_mmaction.files.mistakes import ValueMistake


class Monitor(NamedTuple):
    """Who looks for a metric."""

    where: str  # such as 'monitor of EarlyStoppingHook'
    key: str
    rule: str | None  # 'greater' or 'less' is better; None: mmengine decides by the name
    needed: bool  # without the metric the training is another one


def check_monitors(runner: Runner) -> None:
    """Make sure that the validation gives what hooks and schedulers look for.

    An early stopping without any validation is said: the training has its full length.
    Metrics that do not declare their names, with a property ``keys`` as ours have, are trusted.

    Args:
        runner: of a training, with its loops built and the schedulers not.

    Raises:
        ValueError: there is no such metric, or no validation; a rule takes the least of a metric
            for the best.
    """
    monitors = list(_monitors(runner))
    loop = runner.val_loop
    if loop is None:
        needed = [monitor for monitor in monitors if monitor.needed]
        if needed:
            raise ValueMistake(
                f'expected a validation, of which {needed[0].where} is to read {needed[0].key!r}, '
                'but got none'
            )
        if any(isinstance(hook, EarlyStoppingHook) for hook in runner.hooks):
            print_log(
                'EarlyStoppingHook stops nothing: there is no validation',
                logger='current',
                level=logging.WARNING,
            )
        return
    _check_begin(runner)
    metrics = loop.evaluator.metrics
    if not all(hasattr(metric, 'keys') for metric in metrics):
        return
    given = [key for metric in metrics for key in metric.keys]
    for monitor in monitors:
        if monitor.key not in given:
            raise ValueMistake(
                f'expected a metric that the validation gives ({", ".join(given)}) as '
                f'{monitor.where} but got {monitor.key!r}'
            )
        if monitor.rule == 'less':
            raise ValueMistake(
                f"expected rule='greater' beside {monitor.where}, since more {monitor.key} is "
                "better, but got 'less'"
            )


def _monitors(runner: Runner) -> Iterator[Monitor]:
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and hook.save_best:
            for key, rule in zip(hook.key_indicators, hook.rules, strict=True):
                if key != 'auto':
                    yield Monitor('save_best of CheckpointHook', key, rule, needed=False)
        if isinstance(hook, EarlyStoppingHook):
            yield Monitor('monitor of EarlyStoppingHook', hook.monitor, hook.rule, needed=False)
    for name, config in schedulers_of(runner):
        if getattr(PARAM_SCHEDULERS.get(config['type']), 'need_val_args', False):
            key, rule = config.get('monitor', 'loss'), config.get('rule', 'less')  # as mmengine
            yield Monitor(f'{name}.monitor', key, rule, needed=True)


def _check_begin(runner: Runner) -> None:
    """Let the validation begin before the training ends."""
    loop = runner.train_loop
    length = loop.max_iters if isinstance(loop, IterBasedTrainLoop) else loop.max_epochs
    if loop.val_begin > length:
        raise ValueMistake(
            f'expected train_cfg.val_begin of {length} or less, when the training ends, but got '
            f'{loop.val_begin}'
        )
