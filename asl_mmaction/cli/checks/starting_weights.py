"""Weights that a training starts from: how many fit, and whether its classes mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.model import PretrainedInit, is_model_wrapper
from torch import Tensor, nn

from asl_mmaction.apis.classes import check_classes
from asl_mmaction.files.checkpoint import dataset_meta, load_checkpoint, read_checkpoint
from asl_mmaction.files.mistakes import ValueMistake

SHOWN = 4  # names of weights in a line


def describe_starting_weights(
    model: nn.Module, config: Config, classes: Mapping[str, Sequence[str] | None]
) -> list[str]:
    """Compare ``load_from`` and every ``init_cfg=dict(type='Pretrained')`` with the model.

    mmengine loads what fits and leaves the rest at random.

    Args:
        model: may be wrapped for distributed training; is not changed.
        config: of the training.
        classes: of the training data, as :func:`~asl_mmaction.apis.classes.check_classes` takes
            them.

    Returns:
        One line for each source of weights, and what else is to be said of its classes.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: it cannot be read, none of its weights fits, or a class has another label in it.
    """
    inner: Any = model.module if is_model_wrapper(model) else model
    lines = []
    for name, module, settings in pretrained_parts(inner):
        source = settings['checkpoint']
        content = read_checkpoint(source)
        state = with_prefix(content.get('state_dict', content), settings.get('prefix'))
        where = f'{name}.init_cfg'.lstrip('.')
        fitting, line = describe_fit(module, state, f'{where}: {source}')
        lines.append(line)
        inside = [f'{name}.{key}'.lstrip('.') for key in fitting]
        lines += describe_classes(config, content, source, classes, inside)
    if config.get('load_from'):
        source = config.load_from
        content = load_checkpoint(source)
        fitting, line = describe_fit(
            inner, with_prefix(content['state_dict'], None), f'load_from {source}'
        )
        lines += [line, *describe_classes(config, content, source, classes, fitting)]
    return lines


def pretrained_parts(model: nn.Module) -> Iterator[tuple[str, nn.Module, dict]]:
    """Parts of a model that start from weights of their own: name, module, its ``init_cfg``."""
    for name, module in model.named_modules():
        found = getattr(module, 'init_cfg', None) or []
        for settings in [found] if isinstance(found, dict) else found:
            if settings.get('type') in ('Pretrained', PretrainedInit):
                yield name, module, settings


def with_prefix(state: Mapping[str, Tensor], prefix: str | None) -> dict[str, Tensor]:
    """The weights of a part, by their names within it; of all, without a prefix."""
    if prefix is None:
        return {key.removeprefix('module.'): value for key, value in state.items()}
    start = f'{prefix.rstrip(".")}.'
    return {key.removeprefix(start): state[key] for key in state if key.startswith(start)}


def describe_fit(
    module: nn.Module, state: Mapping[str, Tensor], source: str
) -> tuple[list[str], str]:
    """Names of the weights that a module will take, and a line on the others.

    Raises:
        ValueError: it will take none.
    """
    own = module.state_dict()
    shapes = {key: getattr(value, 'shape', None) for key, value in state.items()}
    fitting = [key for key, value in own.items() if value.shape == shapes.get(key)]
    if not fitting:
        raise ValueMistake(
            f'{source}: expected weights that fit this model, such as {_names(own)}, but got '
            f'{_names(state) or "none"}'
        )
    line = f'{source}: {len(fitting)} of {len(own)} weights fit'
    missing = [key for key in own if key not in set(fitting)]
    if missing:
        line += f'; left at random: {_names(missing)}'
    unused = [key for key in state if key not in own]
    if unused:
        line += f'; of no use: {_names(unused)}'
    return fitting, line


def describe_classes(
    config: Config,
    content: dict,
    source: str,
    classes: Mapping[str, Sequence[str] | None],
    fitting: Sequence[str],
) -> list[str]:
    """What is to be said of the classes that weights of a head were trained for.

    Args:
        config: of the training.
        content: of the checkpoint.
        source: its name.
        classes: of the training data.
        fitting: names of the weights in the model that come from the checkpoint.

    Raises:
        ValueError: a class has another label in the checkpoint than in the data.
    """
    head = config.model.get('head') or {}
    names = next((list(found) for found in classes.values() if found), None)
    if head.get('num_classes', 1) == 1 or not any(key.startswith('head.') for key in fitting):
        return []
    trained = dataset_meta(content).get('classes')
    if not trained or not names:
        return [f'{source}: its classes are not known, and taken for those of the data']
    trained = list(trained)
    if len(trained) != len(names):
        return [
            f'{source}: trained for {len(trained)} classes, not {len(names)}: what belongs to a '
            'class is left at random'
        ]
    if any(trained.index(name) != names.index(name) for name in set(trained) & set(names)):
        check_classes(config, {f'the checkpoint {source}': trained, **classes})
    others = [name for name in trained if name not in names]
    if others:
        return [f'{source}: {len(others)} of its classes are others, such as {others[0]!r}']
    return []


def _names(found: Sequence[str] | Mapping) -> str:
    found = list(found)
    more = f' and {len(found) - SHOWN} more' if len(found) > SHOWN else ''
    return ', '.join(found[:SHOWN]) + more
