"""What tools/train.py and tools/test.py share: arguments, and mistakes reported in one line."""

from __future__ import annotations

import argparse
import ctypes
import errno
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmaction.registry import METRICS
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.config.utils import ConfigParsingError
from mmengine.runner import Runner

# How this package words a user's mistake, how mmengine's registries do, and how Python does where
# a config gives a part an argument that it does not have.
MISTAKES = re.compile(
    r'(expected|should be) .* but |is not in the .* registry|'
    r'__init__\(\) (got an unexpected keyword|missing)',
    re.DOTALL,
)
CONFIG_ERRORS = (
    AssertionError,
    AttributeError,
    ConfigParsingError,
    KeyError,
    NameError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)
# Any other key of a config is a variable that is used up while the file is read.
RUNNER_KEYS = sorted(
    {
        *inspect.signature(Runner).parameters,
        'activation_checkpointing',
        'compile',
        'efficient_conv_bn_eval',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'sync_bn',
    }
    - {'cfg'}
)


# Parameters of glibc's mallopt.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next tensor; for programs that run for long.

    glibc asks the system for every block above 32 MB and gives it back when it is freed. The system
    clears the pages each time: with long recordings that takes longer than the computation. Does
    nothing where there is no glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None) if sys.platform == 'linux' else None
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, -1)
        mallopt(M_MMAP_MAX, 0)


class MistakeError(Exception):
    """A mistake of the user's that only the command line knows of; the message is all they need."""


@contextmanager
def report_mistakes() -> Iterator[None]:
    """End the program with one line and exit code 2 for a user's mistake; let a bug through.

    A mistake is a file that cannot be read or written, or an error in the words of
    :data:`MISTAKES`. All others keep their traceback.
    """
    try:
        yield
    except (MistakeError, ImportError, OSError, KeyError, TypeError, ValueError) as error:
        line = describe_mistake(error)
        if line is None:
            raise
        sys.stderr.write(f'{Path(sys.argv[0]).name}: error: {line}\n')
        raise SystemExit(2) from error


def describe_mistake(error: Exception) -> str | None:
    """One line that says what to mend, or None if the error is not a user's mistake."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    # A full disk is found when writing into an open file, whose name the error does not have.
    system = isinstance(error, OSError) and (error.filename or error.errno == errno.ENOSPC)
    known = isinstance(error, (MistakeError, FileNotFoundError)) or system or MISTAKES.search(text)
    if not known:
        return None
    # A data loader's worker passes its error on behind a traceback of its own.
    if text.startswith('Caught '):
        text = text.strip().rpartition('\n')[2].partition(': ')[2]
    # What mmengine's registries add is of no help.
    return ' '.join(text.split()).partition(' Please check whether the value of')[0]


class SettingsAction(DictAction):
    """mmengine's, which ends in a traceback where there is no ``=``."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """See argparse."""
        for value in values:
            if '=' not in value:
                parser.error(f'expected KEY=VALUE for {option_string} but got {value}')
        super().__call__(parser, namespace, values, option_string)


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that both tools have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that override those of the config, e.g. train_dataloader.batch_size=4',
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='of jobs'
    )
    # torch.distributed.launch passes it, torchrun does not.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def configure(args: argparse.Namespace) -> Config:
    """The config with the settings of the arguments that both tools have.

    Raises:
        MistakeError: see :func:`read_config`.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    config = read_config(args.config, args.cfg_options)
    if 'model' not in config:
        raise MistakeError(f'{args.config}: expected a config of a model but got none in it')
    config.launcher = args.launcher
    config.work_dir = (
        args.work_dir or config.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    )
    return config


def read_config(path: str | os.PathLike, options: Mapping[str, Any]) -> Config:
    """A config file with ``--cfg-options``.

    Raises:
        MistakeError: no such config, it cannot be read, or an option is for a key it has not.
    """
    if not Path(path).is_file():
        what = 'is a folder' if Path(path).is_dir() else 'does not exist'
        raise MistakeError(f'expected a config file but got {path}, which {what}')
    try:
        config = Config.fromfile(path)
    except CONFIG_ERRORS as error:
        raise MistakeError(f'cannot read {path}: {type(error).__name__}: {error}') from error
    for option in options:
        if option.partition('.')[0] not in RUNNER_KEYS:
            raise MistakeError(
                f'expected --cfg-options with keys that the Runner reads '
                f'({", ".join(RUNNER_KEYS)}) but got {option}, which has no effect'
            )
    config.merge_from_dict(options)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name) or {}
        if loader.get('num_workers') == 0 and loader.get('persistent_workers'):
            loader.persistent_workers = False  # there are none; torch refuses to keep them
    return config


def write_results_to(config: Config, folder: str) -> None:
    """Let every metric of the test that can write files write them into a folder.

    Raises:
        MistakeError: there is none.
    """
    evaluators = config.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    metrics: list[ConfigDict] = [
        metric
        for metric in evaluators
        if 'out_dir' in inspect.signature(METRICS.get(metric.type) or object).parameters
    ]
    if not metrics:
        raise MistakeError(f'expected a TALMetric in test_evaluator of {config.filename} for --out')
    for metric in metrics:
        metric.out_dir = folder
