"""mmengine's Runner, which leaves a record of the experiment and not of the command."""

from __future__ import annotations

import argparse
import copy
import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from asl_mmaction.apis.config import load_config
from asl_mmaction.cli.screen import ScreenHook, filter_console
from asl_mmaction.files.mistakes import Mistake


class RecordedRunner(Runner):
    """Writes no config when it is built: :class:`RecordHook` does, once a step has succeeded."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """See the parent; the console is for people."""
        logger = super().build_logger(*args, **kwargs)
        self.screen = ScreenHook(filter_console(logger))
        return logger

    def train(self) -> nn.Module:
        """See the parent."""
        self.register_hook(self.screen)
        self.screen.begin(self)
        try:
            return super().train()
        finally:
            self.screen.close()

    def dump_config(self) -> None:
        """See the parent."""

    def resume(self, *args: Any, **kwargs: Any) -> None:
        """See the parent; a best checkpoint of another folder is left alone, not replaced."""
        super().resume(*args, **kwargs)
        for key, path in list(self.message_hub.runtime_info.items()):
            if key.startswith('best_ckpt') and Path(path).parent != Path(self.work_dir):
                self.message_hub.pop_info(key)


class RecordHook(Hook):
    """Writes the config after the first step of a training or a test.

    A start that fails leaves the config of a finished training as it is. So does a test in the
    folder of a training: its config goes into the folder of its log.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._done = False

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """See mmengine's Hook."""
        self._write(runner, Path(runner.work_dir))

    def after_test_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """See mmengine's Hook."""
        holds_training = (Path(runner.work_dir) / 'last_checkpoint').is_file()
        self._write(runner, Path(runner.log_dir if holds_training else runner.work_dir))

    @master_only
    def _write(self, runner: Runner, folder: Path) -> None:
        if not self._done:
            self._done = True
            runner.cfg.dump(folder / Path(runner.cfg.filename).name)


def build_runner(config: Config, record: Config) -> Runner:
    """The Runner of a run.

    Args:
        config: what to do, with the arguments of the command: where to, from which checkpoint.
        record: the experiment without them: what the work dir and the checkpoints keep.
    """
    runner = RecordedRunner.from_cfg(config)
    runner.cfg = copy.deepcopy(record)
    runner.register_hook(RecordHook())
    return runner


def configure(args: argparse.Namespace) -> Config:
    """The config of the experiment, without the arguments that hold for one run.

    Raises:
        Mistake: it has no model; see :func:`~asl_mmaction.apis.load_config` for the others.
    """
    config = load_config(args.config, args.cfg_options)
    if 'model' not in config:
        raise Mistake(f'{args.config}: expected a config of a model but got none in it')
    return config


def for_this_run(config: Config, args: argparse.Namespace) -> Config:
    """A copy with what the arguments of tools/train.py and tools/test.py say of one run."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    run = copy.deepcopy(config)
    run.launcher = args.launcher
    run.work_dir = args.work_dir or config.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    return run
