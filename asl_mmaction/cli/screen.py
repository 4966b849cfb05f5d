"""What a training shows on the screen: a line to begin with, then one an epoch.

Everything else goes to the log file alone, but warnings and what this package says by itself. The
screen has the words alone; the file has the time, the logger and the level too.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from datetime import timedelta
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop, Runner
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

#: Modules between a call that logs and the filter.
LOGGING = ('logging', 'mmengine.logging', __name__)
#: A module that warns of itself, for mmengine's own hooks still use it.
DEPRECATED = 'mmengine.fileio.file_client'
#: Epochs after which the names of the columns are shown again: a terminal may have 24 lines.
REPEAT = 20
#: Parts of this package whose lines are details.
FOR_THE_LOG = ('asl_mmaction.engine.optimizers',)


# How the line of an epoch begins, see ScreenHook.
EPOCH = re.compile(r'^ *(\d+)/(\d+)  ', re.MULTILINE)


def read_epoch(text: str) -> tuple[int, int] | None:
    """The last epoch that :class:`ScreenHook` has shown, and how many there are; None: none yet."""
    found = EPOCH.findall(text)
    return (int(found[-1][0]), int(found[-1][1])) if found else None


class ScreenFilter(logging.Filter):
    """Lets through warnings and, unless ``quiet``, what the package itself logs.

    It keeps back what mmengine says of a module of its own that its own hooks should not use, and
    what is worth a line of the log file alone (:data:`FOR_THE_LOG`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.quiet = False

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        frame = sys._getframe()
        while frame.f_back is not None and frame.f_globals['__name__'].startswith(LOGGING):
            frame = frame.f_back
        module = frame.f_globals['__name__']
        if record.levelno >= logging.WARNING:
            return not module.startswith(DEPRECATED)
        ours = module.startswith('asl_mmaction') and not module.startswith(FOR_THE_LOG)
        return not self.quiet and ours


class ScreenFormatter(logging.Formatter):
    """The words alone, without time, name and level of the logger; a warning begins as one."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        text = super().format(record).lstrip('\n')
        return f'{record.levelname} {text}' if record.levelno >= logging.WARNING else text


def filter_console(logger: MMLogger) -> ScreenFilter:
    """Let the console of a logger show what a person reads; its file keeps everything."""
    found = ScreenFilter()
    for handler in logger.handlers:
        if type(handler) is logging.StreamHandler:
            others = [item for item in handler.filters if not isinstance(item, ScreenFilter)]
            handler.filters = [*others, found]
            handler.setFormatter(ScreenFormatter())
    return found


class ScreenHook(Hook):
    """Shows how a training by epochs goes; any other is shown as mmengine does.

    The line of an epoch, below a line of names: losses (mean of what was logged in it), learning
    rate, seconds, and after a validation the metric that chooses the best checkpoint, in percent,
    with a star if this is the best so far. A bar below has the time that is left; without a
    terminal there is no bar, and the line has it.

    Args:
        screen: filter of the console.
    """

    priority = 'LOWEST'  # after the checkpoint, which says what is best

    def __init__(self, screen: ScreenFilter) -> None:
        self.screen = screen
        self.console = Console(highlight=False, quiet=not is_main_process())
        self.console.soft_wrap = not self.console.is_terminal  # a file has whole lines
        self.progress: Progress | None = None
        self.line: str | None = None
        self.names = ''
        self.shown_since = 0  # epochs since the names of the columns

    def begin(self, runner: Runner) -> None:
        """From here on, the lines of this hook take the place of all others."""
        self.shown = isinstance(runner.train_loop, EpochBasedTrainLoop)
        self.screen.quiet = self.shown

    def before_train(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        if not self.shown:
            return
        self.start, self.first_epoch = time.monotonic(), runner.epoch
        model = getattr(runner.model, 'module', runner.model)
        count = sum(value.numel() for value in model.parameters())
        size = f'{count / 1e6:.1f} M' if count >= 1e5 else f'{count:,}'
        videos = len(runner.train_dataloader.dataset)
        steps = len(runner.train_dataloader)
        epochs = 'epoch' if runner.max_epochs == 1 else 'epochs'
        resumed = f', from epoch {runner.epoch + 1} on' if runner.epoch else ''
        self.console.print(
            f'{runner.experiment_name.rsplit("_", 2)[0]}: {size} parameters, {videos} videos, '
            f'{runner.max_epochs} {epochs} of {steps} steps{resumed}; log and checkpoints in '
            f'{os.path.relpath(runner.work_dir)}',
            markup=False,
        )
        if self.console.is_terminal:
            columns = (BarColumn(), TextColumn('{task.description}'), TimeRemainingColumn())
            self.progress = Progress(*columns, console=self.console, transient=True)
            self.task = self.progress.add_task('', total=runner.max_iters, completed=runner.iter)
            self.progress.start()

    def before_train_epoch(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        self._flush()
        self.epoch_start = time.monotonic()
        self.counts = {
            key: len(buffer.data[0])
            for key, buffer in runner.message_hub.log_scalars.items()
        }  # fmt: skip

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """See mmengine's Hook."""
        if self.progress is not None:
            done = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
            self.progress.update(self.task, completed=runner.iter + 1, description=done)

    def after_train_epoch(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        if not self.shown:
            return
        now = time.monotonic()
        # The hook runs before the loop counts the epoch.
        epoch = runner.epoch + 1
        left = (now - self.start) / (epoch - self.first_epoch) * (runner.max_epochs - epoch)
        losses = {}
        for key, buffer in runner.message_hub.log_scalars.items():
            name = key.removeprefix('train/')
            values = buffer.data[0][self.counts.get(key, 0) :]
            if name.startswith('loss') and len(values):
                losses[name.removeprefix('loss_')] = f'{values.mean():.3f}'
        width = len(str(runner.max_epochs))
        cells = {
            'epoch': f'{epoch:>{width}}/{runner.max_epochs}',
            **losses,
            'lr': f'{runner.optim_wrapper.get_lr()["lr"][0]:.1e}',
            's': f'{now - self.epoch_start:.1f}',
        }
        widths = [max(5, len(name), len(cell)) for name, cell in cells.items()]
        names, self.line = (
            '  '.join(f'{text:>{width}}' for text, width in zip(texts, widths, strict=True))
            for texts in (cells, cells.values())
        )
        if self.progress is None and left:
            self.line += f'  eta {timedelta(seconds=round(left))}'
        if names.split() != self.names.split() or self.shown_since == REPEAT:
            self.console.print(names, markup=False)
            self.names, self.shown_since = names, 0
        self.shown_since += 1

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """See mmengine's Hook."""
        if self.line is None or not metrics:
            return
        chosen = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        keys = [key for hook in chosen for key in getattr(hook, 'key_indicators', None) or []]
        key = next((key for key in keys if key in metrics), next(iter(metrics)))
        best = runner.message_hub.runtime_info.get('best_score') == metrics[key]
        self.line += f'  {key} {100 * metrics[key]:.1f}{" *" if best else ""}'

    def after_train(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        if not self.shown:
            return
        self.close()
        latest, best = (
            path and os.path.relpath(path)
            for path in map(runner.message_hub.runtime_info.get, ('last_ckpt', 'best_ckpt'))
        )
        took = timedelta(seconds=round(time.monotonic() - self.start))
        self.console.print(f'done in {took}', markup=False)
        for what, path in {'last': latest, 'best': best}.items():
            if path:
                self.console.print(f'{what} checkpoint: {path}', markup=False)

    def close(self) -> None:
        """Leave the screen as it was, also where a training ends with an error."""
        self._flush()
        self.screen.quiet = False
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

    def _flush(self) -> None:
        if self.line is not None:
            self.console.print(self.line, markup=False)
            self.line = None
