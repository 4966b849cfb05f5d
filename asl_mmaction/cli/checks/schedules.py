"""Schedules that do not fit the training that they are to control, found before it starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmaction.registry import PARAM_SCHEDULERS
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner

from asl_mmaction.files.mistakes import ValueMistake

#: Schedulers that bring a parameter to a last value, which it has from their ``end`` on.
TO_A_LAST_VALUE = ('CosineAnnealing', 'Poly', 'OneCycle')
#: The argument of some that is their length too.
OWN_LENGTH = {'CosineAnnealing': 'T_max', 'OneCycle': 'total_steps'}


class Span(NamedTuple):
    """When a scheduler acts, in the unit that it counts."""

    name: str  # 'param_scheduler.1 (CosineAnnealingLR)'
    kind: str  # 'CosineAnnealingLR'
    config: Mapping
    begin: float
    end: float
    length: float  # of the training
    unit: str  # 'epochs' or 'steps'


def check_schedules(runner: Runner) -> None:
    """Make sure that each scheduler of parameters acts when the config says, or warn.

    A warning is what some recipes do on purpose: a warm-up or a cosine that ends later than the
    training, or earlier with nothing after it; a milestone behind the end; a cosine whose ``T_max``
    is not its length.

    Args:
        runner: of a training, with the train loop built and the schedulers not.

    Raises:
        ValueError: a scheduler begins when the training has ended, or ends before it begins; it
            counts epochs, and the loop has none; it has fewer steps than it has to make.
    """
    loop = runner.train_loop
    spans = [_span(name, config, runner) for name, config in schedulers_of(runner)]
    for span in spans:
        _warn_of_what_is_cut_off(span)
        followed = any(span.end / span.length <= s.begin / s.length for s in spans)
        if span.end < span.length and span.kind.startswith(TO_A_LAST_VALUE) and not followed:
            _warn(
                f'{span.name} ends after {span.end:g} {span.unit} and the training after '
                f'{span.length:g}: it goes on with the last value'
            )
    counts = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook) and hook.by_epoch]
    if counts and isinstance(loop, IterBasedTrainLoop):
        _warn(
            'CheckpointHook counts epochs (by_epoch=True), and an IterBasedTrainLoop is one: the '
            'only checkpoint is written at the end'
        )


def schedulers_of(runner: Runner) -> Iterator[tuple[str, Mapping]]:
    """Key and config of each scheduler that is not built yet."""
    return _schedulers(runner.param_schedulers, 'param_scheduler')


def _schedulers(value: Any, key: str) -> Iterator[tuple[str, Mapping]]:
    """One scheduler, a list, or a dict of these by optimizer."""
    if isinstance(value, Mapping) and 'type' in value:
        yield key, value
    elif isinstance(value, (Mapping, list, tuple)):
        for name, part in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _schedulers(part, f'{key}.{name}')


def _span(name: str, config: Mapping, runner: Runner) -> Span:
    by_epoch = config.get('by_epoch', True)
    unit = 'epochs' if by_epoch else 'steps'
    length = _length(name, config, runner)
    begin, end = config.get('begin', 0), config.get('end', length)
    if begin >= length:
        raise ValueMistake(
            f'expected a training of more than {begin} {unit} (train_cfg) but got {length:g}, and '
            f'{name} begins after {begin}; for a constant learning rate: --cfg-options '
            'param_scheduler=[]'
        )
    if end <= begin:
        raise ValueMistake(f'expected {name} to end after begin={begin} but got end={end}')
    kind = getattr(config['type'], '__name__', config['type']).rpartition('.')[2]
    return Span(f'{name} ({kind})', kind, config, begin, end, length, unit)


def _length(name: str, config: Mapping, runner: Runner) -> float:
    """Length of the training in the unit that a scheduler counts: epochs or steps."""
    loop = runner.train_loop
    if not config.get('by_epoch', True):
        return loop.max_iters
    if not isinstance(loop, IterBasedTrainLoop):
        return loop.max_epochs
    steps = len(loop.dataloader)
    if getattr(PARAM_SCHEDULERS.get(config['type']), 'need_val_args', False):
        return loop.max_iters / steps  # it acts after a validation
    if not config.get('convert_to_iter_based'):
        raise ValueMistake(
            f'expected by_epoch=False in {name}, since an IterBasedTrainLoop has no epochs, but '
            'got by_epoch=True'
        )
    if 'end' not in config:
        raise ValueMistake(
            f'expected an end in {name}, in epochs of {steps} steps, since an IterBasedTrainLoop '
            'is one epoch to mmengine, but got none'
        )
    return loop.max_iters / steps


def _warn_of_what_is_cut_off(span: Span) -> None:
    begin, end, unit = span.begin, span.end, span.unit
    if end > span.length and span.kind.startswith(('Linear', *TO_A_LAST_VALUE)):
        _warn(
            f'{span.name} ends after {end:g} {unit} and the training after {span.length:g}: it is '
            'not completed'
        )
    for kind, key in OWN_LENGTH.items():
        own = span.config.get(key) if span.kind.startswith(kind) else None
        text = f'{span.name} to have {key}={end - begin:g}, its {unit}, but got {own}'
        if own is not None and own < min(end, span.length) - begin and kind == 'OneCycle':
            raise ValueMistake(f'expected {text}: it cannot go on')
        if own is not None and own != end - begin:
            _warn(f'expected {text}')
    acts = span.config.get('milestones') or [span.config.get('step_size', 0)]
    late = [step for step in acts if begin + step >= min(end, span.length)]
    if late:
        _warn(f'{span.name} is to act after {late} {unit} too, which it does not reach')


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)
