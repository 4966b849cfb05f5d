"""What tools/train.py and tools/test.py share: arguments, and mistakes reported in one line."""

from __future__ import annotations

import argparse
import copy
import ctypes
import difflib
import errno
import inspect
import os
import re
import sys
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Any

import torch
from mmaction import registry as registries
from mmaction.registry import METRICS, OPTIMIZERS
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.config.utils import ConfigParsingError
from mmengine.hub import get_config
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, LogProcessor, Runner, set_random_seed
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.utils.data import DataLoader

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
# What takes the entries of a config that have no type.
UNTYPED = {
    '': Runner,
    'log_processor': LogProcessor,
    'optim_wrapper': OptimWrapper,
    'optim_wrapper.clip_grad': clip_grad_norm_,
    'randomness': set_random_seed,
    'test_dataloader': DataLoader,
    'train_cfg': EpochBasedTrainLoop,
    'train_dataloader': DataLoader,
    'val_dataloader': DataLoader,
}
# Annotations that leave no doubt about a number or a text; a Callable may be given by name. The
# first are built from a dict.
BUILT = {DataLoader, Optimizer, nn.Module}
PLAIN = {bool, dict, float, int, list, str, tuple, Mapping, NoneType, Sequence, Tensor} | BUILT
# Whose constructors check what a config gives them, without the words of MISTAKES.
STACK = {'mmaction', 'mmcv', 'mmengine', 'numpy', 'torch', *sys.stdlib_module_names}

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

    A mistake is a file that cannot be read or written, an error in the words of :data:`MISTAKES`,
    or what a constructor of the stack does not take from a config. All others keep their traceback.
    """
    try:
        yield
    except (
        AssertionError,
        AttributeError,
        ImportError,
        KeyError,
        MistakeError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
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
    known = isinstance(error, (MistakeError, FileNotFoundError)) or system
    if not known and (isinstance(error, AssertionError) or not MISTAKES.search(text)):
        part = refusing_part(error)
        if part is None:
            return None
        text = f'{part} does not take what the config gives it: {text}'
    # A data loader's worker passes its error on behind a traceback of its own.
    if text.startswith('Caught '):
        text = text.strip().rpartition('\n')[2].partition(': ')[2]
    # What mmengine's registries add is of no help.
    return ' '.join(text.split()).partition(' Please check whether the value of')[0]


def refusing_part(error: Exception) -> str | None:
    """Class of the stack whose constructor raised an error, called by mmengine with a config.

    None for all others: what our code or the user's raises, or gives such a class by itself, and
    whatever is raised once the training or the test runs, is a bug.
    """
    part, by_mmengine = None, False
    for frame, _ in traceback.walk_tb(error.__traceback__):
        code, module = frame.f_code, frame.f_globals['__name__']
        package = module.partition('.')[0]
        if module == 'mmengine.runner.loops' and code.co_name == 'run':
            return None
        if package not in STACK:
            part, by_mmengine = None, False
        elif code.co_name == '__init__' and by_mmengine:
            part = type(frame.f_locals[code.co_varnames[0]]).__name__
        by_mmengine |= package == 'mmengine'
    kinds = (AssertionError, AttributeError, KeyError, TypeError, ValueError)
    return part if isinstance(error, kinds) else None


class SettingsAction(DictAction):
    """mmengine's, which ends in a traceback where there is no ``=``."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        """See argparse."""
        for value in values:
            if '=' not in value:
                parser.error(f'expected KEY=VALUE for {option_string} but got {value}')
        super().__call__(parser, namespace, values, option_string)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, what :func:`read_config` takes."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        default={},
        metavar='KEY=VALUE',
        help='settings that override those of the config, e.g. train_dataloader.batch_size=4',
    )


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that both tools have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='of jobs'
    )
    # torch.distributed.launch passes it, torchrun does not.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def configure(args: argparse.Namespace) -> Config:
    """The config of the experiment, without the arguments that hold for one run.

    Raises:
        MistakeError: see :func:`read_config`.
    """
    config = read_config(args.config, args.cfg_options)
    if 'model' not in config:
        raise MistakeError(f'{args.config}: expected a config of a model but got none in it')
    return config


def for_this_run(config: Config, args: argparse.Namespace) -> Config:
    """A copy with the arguments that both tools have and that hold for one run."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    run = copy.deepcopy(config)
    run.launcher = args.launcher
    run.work_dir = args.work_dir or config.get('work_dir') or f'work_dirs/{Path(args.config).stem}'
    return run


def read_config(path: str | os.PathLike, options: Mapping[str, Any]) -> Config:
    """A config file, or one of an installed package (``package::file``), with ``--cfg-options``.

    Raises:
        MistakeError: no such config, it cannot be read, it or an option has a key that nothing
            reads, or a value is of another type than the part takes.
    """
    packaged = '::' in str(path)
    if not packaged and not Path(path).is_file():
        what = 'is a folder' if Path(path).is_dir() else 'does not exist'
        raise MistakeError(f'expected a config file but got {path}, which {what}')
    try:
        config = get_config(path) if packaged else Config.fromfile(path)
    except CONFIG_ERRORS as error:
        raise MistakeError(f'cannot read {path}: {type(error).__name__}: {error}') from error
    for key in config:
        meant = None if key in RUNNER_KEYS else misspelled(key)
        if meant:
            raise MistakeError(
                f'{path}: expected {meant} but got {key}, which has no effect '
                '(a variable needs another name)'
            )
    for option in options:
        if option.partition('.')[0] not in RUNNER_KEYS:
            raise MistakeError(
                f'expected --cfg-options with keys that the Runner reads '
                f'({", ".join(RUNNER_KEYS)}) but got {option}, which has no effect'
            )
    try:
        config.merge_from_dict(options)
    except (KeyError, TypeError) as error:
        raise MistakeError(
            f'expected --cfg-options that fit {path} but got {", ".join(options)}: {error.args[0]}'
        ) from error
    check_values({key: config[key] for key in RUNNER_KEYS if key in config})
    _adapt(config)
    return config


def _adapt(config: Config) -> None:
    """Change what mmengine or torch would stumble over, or does not choose by itself."""
    compiling = config.pop('compile', None)
    if compiling:  # mmengine would compile what torch cannot
        hook = dict(type='CompileHook', **({} if compiling is True else compiling))
        config.custom_hooks = [*(config.get('custom_hooks') or []), hook]
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name) or {}
        if loader.get('num_workers') == 0 and loader.get('persistent_workers'):
            loader.persistent_workers = False  # there are none; torch refuses to keep them
        if torch.cuda.is_available():
            loader.setdefault('pin_memory', True)  # without a GPU torch warns of it


def misspelled(key: str) -> str | None:
    """The key of the Runner that another one is meant to be, or None if that is not obvious."""
    for other in RUNNER_KEYS:
        swapped = sorted(key) == sorted(other)
        close = key[0] == other[0] and difflib.SequenceMatcher(None, key, other).ratio() > 0.91
        derived = key.startswith(f'{other}_') or key.endswith(f'_{other}')
        if swapped or (close and not derived):
            return other
    return None


def check_values(value: Any, where: str = '') -> None:
    """Compare the values of a config with the annotations of what takes them.

    Only numbers and texts are compared, which --cfg-options mix up most easily, and only where the
    annotation is as plain.

    Args:
        value: the config, or an entry.
        where: its key, of levels joined by dots.

    Raises:
        MistakeError: a value is of another type, or there is no such optimizer.
    """
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_values(item, f'{where}.{index}')
    if not isinstance(value, dict):
        return
    name = value.get('type')
    if where == 'optim_wrapper.optimizer' and isinstance(name, str) and not OPTIMIZERS.get(name):
        # mmengine looks into it before it asks the registry to build it.
        raise MistakeError(f'{where}: {name} is not in the optimizer registry')
    part = name if callable(name) else _parts().get(str(name), UNTYPED.get(where))
    hints = _annotations(part)
    for key, item in value.items():
        path = f'{where}.{key}'.lstrip('.')
        kinds = hints.get(key, {Any})
        if isinstance(item, (str, float, int)) and kinds <= PLAIN:
            # mmengine says str of a loss_scale that may be a number.
            number = not isinstance(item, str) and bool(kinds & {bool, float, int, str})
            if not number and type(item) not in kinds:
                kinds = kinds - {NoneType, Tensor}
                names = {'dict' if kind in BUILT else kind.__name__ for kind in kinds}
                expected = ' or '.join(sorted(names))
                raise MistakeError(f'expected {path} of type {expected} but got {item!r}')
        check_values(item, path)


def _parts() -> dict[str, Any]:
    """What a ``type`` may name, as far as it is imported; no name is in two registries."""
    found: dict[str, Any] = {}
    for registry in vars(registries).values():
        while isinstance(registry, Registry):
            found |= registry.module_dict
            registry = registry.parent
    return found


def _annotations(part: Callable | None) -> dict[str, set]:
    """Types that each argument may have, as far as they are to be found."""
    found: dict[str, set] = {}
    # What a constructor takes as **kwargs is an argument of its base.
    bases = reversed(inspect.getmro(part)) if inspect.isclass(part) else []
    functions = [vars(base).get('__init__') for base in bases] or [part]
    for function in filter(inspect.isfunction, map(inspect.unwrap, functions)):
        for key, parameter in inspect.signature(function).parameters.items():
            alone = SimpleNamespace(__annotations__={key: parameter.annotation})
            try:
                hint = typing.get_type_hints(alone, function.__globals__)[key]
            except (AttributeError, NameError, TypeError):  # of a package that is not installed
                hint = Any
            union = typing.get_origin(hint) in (typing.Union, UnionType)
            kinds = typing.get_args(hint) if union else [hint]
            found[key] = {typing.get_origin(kind) or kind for kind in kinds}
    return found


def metrics_that_write(config: Config) -> list[ConfigDict]:
    """The metrics of the test that can write files."""
    evaluators = config.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    return [
        metric
        for metric in evaluators
        if 'out_dir' in inspect.signature(METRICS.get(metric.type) or object).parameters
    ]


def write_results_to(config: Config, folder: str) -> None:
    """Let every metric of the test that can write files write them into a folder.

    Raises:
        MistakeError: there is none.
    """
    metrics = metrics_that_write(config)
    if not metrics:
        raise MistakeError(f'expected a TALMetric in test_evaluator of {config.filename} for --out')
    for metric in metrics:
        metric.out_dir = folder
