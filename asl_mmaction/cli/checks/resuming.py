"""A training is resumed with the settings that it was started with, or not at all."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from mmengine.runner import BaseLoop, EpochBasedTrainLoop

from asl_mmaction.cli.settings import differences, moving_average, parse_settings
from asl_mmaction.files.mistakes import ValueMistake

# Of the optimizer's wrapper: how its numbers are computed, not which.
PRECISION = {'dtype', 'loss_scale', 'type'}


def check_resumed_settings(config: Mapping, content: Mapping, path: str) -> list[str]:
    """Compare the config with that of the training which a checkpoint is to go on with.

    mmengine takes the state of optimizer, schedule, averages and seed from the checkpoint, and with
    it their settings: what the config says of them has no effect, or makes of the training a
    mixture of two.

    Args:
        config: of the training that goes on.
        content: of the checkpoint; the text of its config is read, not run.
        path: of the checkpoint, for the error.

    Returns:
        What is to be said: the checkpoint does not hold its config.

    Raises:
        ValueError: they differ; the message says what to do.
    """
    averaged = 'ema_state_dict' in content
    if averaged != (moving_average(config) is not None):
        names = {True: 'a moving average of the weights', False: 'none'}
        raise ValueMistake(
            f'{path}: expected {names[averaged]} (default_hooks.ema), as its training was started '
            f'with, but got {names[not averaged]}; {advice(path)}'
        )
    text = content['meta'].get('cfg')
    if not text:
        return [f'{path} does not say its settings: taken for those of the config']
    made = parse_settings(text)
    has_open_end = ends_with_training(made) or ends_with_training(config)
    old, new = (resumed_settings(settings, has_open_end) for settings in (made, config))
    # The checkpoint has the seed also where the config gave none.
    old['randomness'] = {'seed': content['meta'].get('seed')}
    seed = (config.get('randomness') or {}).get('seed')
    new['randomness'] = old['randomness'] if seed is None else {'seed': seed}
    found = list(differences(old, new, ''))
    if found:
        key, before, now = found[0]
        others = f' (different too: {", ".join(row[0] for row in found[1:])})' * (len(found) > 1)
        raise ValueMistake(
            f'{path}: expected {key}={reprlib.repr(before)}, as its training was started with, but '
            f'got {reprlib.repr(now)}{others}; {advice(path)}'
        )
    return []


def check_resumed_steps(loop: BaseLoop, content: Mapping, path: str) -> list[str]:
    """Let an epoch have as many steps as before: the schedule counts them.

    Returns:
        What is to be said: nothing is left to do.

    Raises:
        ValueError: it has more, or fewer.
    """
    epochs, steps = content['meta']['epoch'], content['meta']['iter']
    if isinstance(loop, EpochBasedTrainLoop) and epochs * len(loop.dataloader) != steps:
        raise ValueMistake(
            f'{path}: expected {epochs * len(loop.dataloader)} steps in {epochs} epochs, with this '
            f'data, batch size and number of processes, but got {steps}; {advice(path)}'
        )
    if steps >= loop.max_iters:
        return [f'{path} has all {loop.max_iters} steps of the training: nothing is left to do']
    return []


def advice(path: str) -> str:
    """What to do where a training cannot be resumed as asked."""
    return (
        'to go on, resume with the settings of the start; to start anew from its weights, leave '
        f'out --resume: --cfg-options load_from={path}'
    )


def resumed_settings(config: Mapping, has_open_end: bool) -> dict[str, Any]:
    """What a resumed training must leave as it was.

    Args:
        config: of a training.
        has_open_end: whether the length of the training decides over its schedule.
    """
    train_cfg = config.get('train_cfg') or {}
    scale = config.get('auto_scale_lr') or {}
    wrapper = config.get('optim_wrapper') or {}
    length = ('max_epochs', 'max_iters') if has_open_end else ()
    return {
        'train_cfg': {key: train_cfg.get(key) for key in (*length, 'by_epoch', 'type')},
        'train_dataloader': {
            'batch_size': (config.get('train_dataloader') or {}).get('batch_size')
        },
        'optim_wrapper': {key: wrapper[key] for key in wrapper if key not in PRECISION},
        'param_scheduler': config.get('param_scheduler') or [],
        'auto_scale_lr': scale if scale.get('enable') else {'enable': False},
        'default_hooks': {'ema': moving_average(config)},
    }


def ends_with_training(config: Mapping) -> bool:
    """Whether a scheduler of a config ends where the training does."""

    def is_open(entry: Any) -> bool:
        if isinstance(entry, Mapping) and 'type' in entry:
            return entry.get('end') is None
        entries = entry.values() if isinstance(entry, Mapping) else entry
        return any(map(is_open, entries))

    return is_open(config.get('param_scheduler') or [])
