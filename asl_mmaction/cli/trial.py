"""A training that is shortened, or only tried."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from datetime import timedelta
from itertools import islice

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from asl_mmaction.files.mistakes import Mistake

#: Steps of a dry run. The first is slower than those of a training, and does not count.
STEPS = 4
#: Where a schedule begins and ends, and how long it is, in epochs.
MOMENTS = ('begin', 'end', 'T_max', 'total_iters')


def shorten(config: Config, epochs: int) -> None:
    """Let a training have other epochs, and its schedules, such as warm-up and cosine, with it.

    Of 3 epochs of warm-up before 42 of a cosine, 15 epochs keep 1 and 14.

    Raises:
        Mistake: fewer than 1; the training goes by steps.
    """
    if epochs < 1:
        raise Mistake(f'expected --epochs of 1 or more but got {epochs}')
    before = (config.get('train_cfg') or {}).get('max_epochs')
    if before is None:
        raise Mistake('expected train_cfg.max_epochs for --epochs but got a training by steps')
    config.train_cfg.max_epochs = epochs
    schedules = config.get('param_scheduler') or []
    schedules = schedules if isinstance(schedules, (list, tuple)) else [schedules]
    kept = []
    for schedule in schedules:
        if schedule.get('by_epoch', True):
            moments = {key: schedule[key] for key in MOMENTS if schedule.get(key)}
            schedule.update(
                {key: max(1, round(value * epochs / before)) for key, value in moments.items()}
            )
            if 'milestones' in schedule:
                scaled = [max(1, round(x * epochs / before)) for x in schedule['milestones']]
                schedule['milestones'] = sorted(set(scaled))
            end = min(schedule.get('end') or epochs, epochs)
            if moments.get('begin', 0) < before and schedule.get('begin', 0) >= end:
                continue
        kept.append(schedule)
    config.param_scheduler = kept


def print_config(config: Config, key: str) -> str:
    """A part of a config, or all of it, as text of a config.

    Raises:
        Mistake: there is no such key.
    """
    if not key:
        return config.pretty_text
    part = config
    for name in key.split('.'):
        try:
            part = part[int(name)] if isinstance(part, (list, tuple)) else part[name]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Mistake(
                f'expected --print-config of a key of the config but got {key}'
            ) from error
    plain = part.to_dict() if isinstance(part, Config) else part
    return Config({key.rpartition('.')[2]: plain}).pretty_text


def dry_run(runner: Runner) -> str:
    """Run a few steps and say in three lines what a training takes; nothing of it is kept."""
    loader, model = runner.train_dataloader, runner.model
    # As Runner.train does, but for its hooks.
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    wrapper.initialize_count_status(model, 0, runner.max_iters)
    model.train()
    seconds, losses = [], {}
    start = time.monotonic()
    for batch in islice(loader, STEPS):
        losses = model.train_step(batch, wrapper)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.monotonic()
        seconds.append(now - start)
        start = now
    step = statistics.median(seconds[1:] or seconds)
    epoch = timedelta(seconds=round(step * len(loader)))
    whole = timedelta(seconds=round(step * runner.max_iters))
    count = sum(value.numel() for value in model.parameters())
    shown = '  '.join(
        f'{key.removeprefix("loss_")} {float(x.detach()):.3f}'
        for key, x in losses.items()
        if 'loss' in key
    )
    return (
        f'dry run: {count:,} parameters, {_memory()}\n'
        f'{len(loader)} steps of {step:.3f} s an epoch: {epoch}; '
        f'in all {whole}, without validation\n'
        f'{shown}'
    )


def _memory() -> str:
    if torch.cuda.is_available():
        return f'{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of the GPU'
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == 'darwin' else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return f'{peak / 2**30:.1f} GiB of memory'
