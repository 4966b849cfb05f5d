"""Configs: the one reader, and what it refuses."""

from __future__ import annotations

import copy
import difflib
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from mmengine.hub import get_config
from mmengine.runner import Runner

from asl_mmaction.apis.config_types import check_values
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import check_file

# What reading a config raises, which is a program.
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
#: Keys of a config that something reads; all others are variables of the file.
RUNNER_KEYS = sorted(
    {
        *inspect.signature(Runner).parameters,
        'activation_checkpointing',
        'compile',
        'cuda_graph',
        'efficient_conv_bn_eval',
        'extractor',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'sync_bn',
    }
    - {'cfg'}
)


def load_config(
    config: str | os.PathLike | Config, options: Mapping[str, Any] | None = None
) -> Config:
    """A config from a file, from an installed package, or one that is built already; checked.

    Args:
        config: path of a file, name of a config of this package (``'asl_hapt'``),
            ``'package::file within its configs'`` such as ``'asl_mmaction::asl/asl_hapt.py'``, or a
            config, which is not changed.
        options: settings that replace its own, by keys of levels joined by dots, as
            ``--cfg-options`` gives them.

    Raises:
        FileNotFoundError: no such file.
        TypeError: something else than a config.
        ValueError: it cannot be read, it or an option has a key that nothing reads, or a value is
            of another type than the part takes.
    """
    if isinstance(config, Config):
        where, config = config.filename or 'the config', copy.deepcopy(config)
    elif isinstance(config, (str, os.PathLike)):
        where, config = os.fspath(config), _read(os.fspath(config))
    else:
        raise TypeMistake(f'expected a config or its path but got {type(config).__name__}')
    for key in config:
        meant = None if key in RUNNER_KEYS else _meant(key)
        if meant:
            raise ValueMistake(
                f'{where}: expected {meant} but got {key}, which has no effect '
                '(a variable needs another name)'
            )
    for option in options or {}:
        if option.partition('.')[0] not in RUNNER_KEYS:
            raise ValueMistake(
                f'expected --cfg-options with keys that the Runner reads '
                f'({", ".join(RUNNER_KEYS)}) but got {option}, which has no effect'
            )
    try:
        config.merge_from_dict(options or {})
    except (KeyError, TypeError) as error:
        raise ValueMistake(
            f'expected --cfg-options that fit {where} but got {", ".join(options or {})}: '
            f'{error.args[0]}'
        ) from error
    check_values({key: config[key] for key in RUNNER_KEYS if key in config})
    _adapt(config)
    return config


def check_parts(config: Config, *keys: str) -> None:
    """Make sure that a config has what somebody needs of it.

    Args:
        config: From :func:`load_config`.
        keys: Of the Runner, such as ``'model'``.

    Raises:
        ValueError: One is missing or empty.
    """
    for key in keys:
        if not config.get(key):
            raise ValueMistake(
                f'expected a config with {" and ".join(keys)} but got no {key} in '
                f'{config.filename or "it"}'
            )


def _read(path: str) -> Config:
    path = _bundled(path) or path
    packaged = '::' in path
    if not packaged:
        check_file(path, 'a config file')
    try:
        return get_config(path) if packaged else Config.fromfile(path)
    except CONFIG_ERRORS as error:
        raise ValueMistake(f'cannot read {path}: {type(error).__name__}: {error}') from error


def _bundled(name: str) -> str | None:
    """``'asl_hapt'`` -> path of that config of this package; None if it is none's name."""
    if not name.isidentifier() or os.path.exists(name):
        return None
    folder = Path(__file__).parents[1] / '.mim' / 'configs'
    found = [path for path in folder.rglob(f'{name}.py') if '_base_' not in path.parts]
    return str(found[0]) if len(found) == 1 else None


def _adapt(config: Config) -> None:
    """Change what mmengine or torch would stumble over, or does not choose by itself."""
    # mmengine would compile what torch cannot, and knows no CUDA graphs.
    for key, name in (('compile', 'CompileHook'), ('cuda_graph', 'CudaGraphHook')):
        setting = config.pop(key, None)
        if setting:
            hook = dict(type=name, **({} if setting is True else setting))
            config.custom_hooks = [*(config.get('custom_hooks') or []), hook]
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name) or {}
        if loader.get('num_workers') == 0 and loader.get('persistent_workers'):
            loader['persistent_workers'] = False  # there are none; torch refuses to keep them
        if torch.cuda.is_available():
            loader.setdefault('pin_memory', True)  # without a GPU torch warns of it


def _meant(key: str) -> str | None:
    """The key of the Runner that another one is meant to be, or None if that is not obvious."""
    for other in RUNNER_KEYS:
        swapped = sorted(key) == sorted(other)
        close = key[0] == other[0] and difflib.SequenceMatcher(None, key, other).ratio() > 0.91
        derived = key.startswith(f'{other}_') or key.endswith(f'_{other}')
        if swapped or (close and not derived):
            return other
    return None
