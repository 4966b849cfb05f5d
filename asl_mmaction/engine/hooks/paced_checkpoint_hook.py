"""Checkpoints no more often than they are worth."""

from __future__ import annotations

import time
from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner


@HOOKS.register_module()
class PacedCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook``, which without an ``interval`` writes at most once a minute.

    An epoch of a small training takes seconds: writing it down may take as long as the epoch. What
    is written after an epoch is the first in a minute, and the last of the training, also where
    that was stopped early. The best, without optimizer and schedules, is written whenever it is the
    best.

    An ``interval`` above 0 is kept to. Other arguments: those of ``CheckpointHook``.
    """

    #: Between two checkpoints, if no interval is set.
    min_seconds = 60.0
    interval: int
    last_ckpt: str | None

    def before_train(self, runner: Runner) -> None:
        """See the parent."""
        super().before_train(runner)
        self.paced = self.interval <= 0
        self._note(self._done(runner))

    def after_train_epoch(self, runner: Runner) -> None:
        """See the parent."""
        self._set_interval()
        super().after_train_epoch(runner)

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """See the parent."""
        self._set_interval()
        super().after_train_iter(runner, *args, **kwargs)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """See the parent, which also writes the training again for each new best."""
        last = self.last_ckpt
        if self._written != self._done(runner):
            self.last_ckpt = None
        super().after_val_epoch(runner, metrics)
        self.last_ckpt = last

    def after_train(self, runner: Runner) -> None:
        """See the parent; a training that was stopped early has not written its last epoch."""
        done = self._done(runner)
        if self.paced and self.save_last and self._written != done:
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            self._save_checkpoint_with_step(runner, done, meta)
        super().after_train(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._note(step)

    def _note(self, step: int) -> None:
        self._written, self._moment = step, time.monotonic()

    def _done(self, runner: Runner) -> int:
        return runner.epoch if self.by_epoch else runner.iter

    def _set_interval(self) -> None:
        # Only the main process writes: that the clocks of others differ does no harm.
        if self.paced:
            self.interval = 1 if time.monotonic() - self._moment >= self.min_seconds else -1
