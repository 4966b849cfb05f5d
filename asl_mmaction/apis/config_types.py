"""Values of a config, compared with the annotations of what takes them."""

from __future__ import annotations

import inspect
import reprlib
import typing
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, SimpleNamespace, UnionType
from typing import Any

from mmaction import registry as registries
from mmaction.registry import OPTIMIZERS
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, LogProcessor, Runner, set_random_seed
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.writing import hint_at_nearest

# What takes the entries of a config that have no type; a part of this package by its name.
UNTYPED = {
    '': Runner,
    'log_processor': LogProcessor,
    'model.head.assigner': 'PointAssigner',
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


def check_values(value: Any, where: str = '') -> None:
    """Compare the values of a config with the annotations of what takes them.

    Only numbers, texts, lists and None are compared, which --cfg-options mix up most easily, and
    only where the annotation is as plain.

    Args:
        value: the config, or an entry.
        where: its key, of levels joined by dots.

    Raises:
        TypeError: a value is of another type.
        ValueError: there is no such optimizer.
    """
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            check_values(item, f'{where}.{index}')
    if not isinstance(value, dict):
        return
    name = value.get('type')
    if where == 'optim_wrapper.optimizer' and isinstance(name, str) and not OPTIMIZERS.get(name):
        # mmengine looks into it before it asks the registry to build it.
        near = hint_at_nearest([name], [*OPTIMIZERS.module_dict, *OPTIMIZERS.parent.module_dict])
        raise ValueMistake(f'{where}: {name} is not in the optimizer registry{near}')
    default = UNTYPED.get(where)
    part = name if callable(name) else _parts().get(str(name or default), default)
    # mmaction's annotations are no guide: it says dict of average_clips, which is a text.
    theirs = str(getattr(part, '__module__', '')).startswith('mmaction.')
    hints = {} if theirs else argument_types(part)
    for key, item in value.items():
        path = f'{where}.{key}'.lstrip('.')
        kinds = hints.get(key, {Any})
        if item is None and not where:  # as if the Runner were not given it
            kinds = {Any}
        if isinstance(item, (str, float, int, list, tuple, NoneType)) and kinds <= PLAIN:
            given: set[Any] = {type(item)}
            if isinstance(item, (float, int)):
                # mmengine says str of a loss_scale that may be a number.
                given = {bool, float, int, str}
            elif isinstance(item, (list, tuple)):
                given = {list, tuple, Sequence, Tensor}
            if not kinds & given:
                kinds = kinds - {NoneType, Tensor}
                names = {'dict' if kind in BUILT else kind.__name__ for kind in kinds}
                expected = ' or '.join(sorted(names))
                got = reprlib.repr(item)
                raise TypeMistake(f'expected {path} of type {expected} but got {got}')
        check_values(item, path)


def _parts() -> dict[str, Any]:
    """What a ``type`` may name, as far as it is imported; no name is in two registries."""
    found: dict[str, Any] = {}
    for registry in vars(registries).values():
        while isinstance(registry, Registry):
            found |= registry.module_dict
            registry = registry.parent
    return found


def argument_types(part: Callable | None) -> dict[str, set]:
    """Types that each argument of a class or function may have, as far as they are to be found."""
    found: dict[str, set] = {}
    # What a constructor takes as **kwargs is an argument of its base.
    bases = reversed(inspect.getmro(part)) if inspect.isclass(part) else []
    functions: list[Any] = [vars(base).get('__init__') for base in bases] or [part]
    for function in filter(inspect.isfunction, map(inspect.unwrap, functions)):
        for key, parameter in inspect.signature(function).parameters.items():
            if key == 'self' or parameter.kind is inspect.Parameter.VAR_KEYWORD:
                continue
            alone = SimpleNamespace(__annotations__={key: parameter.annotation})
            try:
                hint = typing.get_type_hints(alone, function.__globals__)[key]
            except (AttributeError, NameError, TypeError):  # of a package that is not installed
                hint = Any
            union = typing.get_origin(hint) in (typing.Union, UnionType)
            kinds = typing.get_args(hint) if union else [hint]
            found[key] = {typing.get_origin(kind) or kind for kind in kinds}
            if parameter.default is None:
                found[key].add(NoneType)
    return found
