"""The datasets behind a config's or a data loader's dataset, which wrappers may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from torch.utils.data import Dataset

from asl_mmaction.files.mistakes import ValueMistake

# What wrappers of mmengine and torch call what they hold: ConcatDataset several; RepeatDataset,
# ClassBalancedDataset and torch's Subset one.
HOLDERS = ('datasets', 'dataset')


def find_datasets(dataset: Mapping | Dataset, key: str = 'dataset') -> dict[str, Any]:
    """The datasets that are no wrappers, in the order in which they are read.

    The one place that looks into wrappers. They may be nested in any way, and configs may hold
    datasets that are built already.

    Args:
        dataset: config, or built.
        key: of the dataset in its config; those of the datasets inside begin with it.

    Returns:
        The datasets by key, such as ``{'dataset.datasets.0': a, 'dataset.datasets.1.dataset': b}``.
        One that is no wrapper is alone, under ``key``.
    """
    for name in HOLDERS:
        held = setting_of(dataset, name)
        if isinstance(held, Sequence):
            parts = {f'{key}.{name}.{index}': part for index, part in enumerate(held)}
        elif held is not None:
            parts = {f'{key}.{name}': held}
        else:
            continue
        found: dict[str, Any] = {}
        for path, part in parts.items():
            found |= find_datasets(part, path)
        return found
    return {key: dataset}


def dataset_configs(config: Mapping, name: str) -> dict[str, Mapping]:
    """The configs of the datasets of a data loader, by key; none where there is no such loader.

    Args:
        config: of a training or a test.
        name: such as ``'train_dataloader'``.

    Raises:
        ValueError: the loader has no dataset, or one that is built already: its settings are not
            known.
    """
    loader = config.get(name)
    if loader is None:
        return {}
    dataset = setting_of(loader, 'dataset')
    if dataset is None:
        raise ValueMistake(f'expected a dataset in {name} but it has none')
    found = find_datasets(dataset, f'{name}.dataset')
    for key, part in found.items():
        if not isinstance(part, Mapping):
            raise ValueMistake(
                f'expected the config of a dataset as {key} but got one that is built already, '
                f'of type {type(part).__name__}'
            )
    return found


def agreed_settings(datasets: Mapping[str, Mapping], names: Sequence[str]) -> dict[str, Any]:
    """What all datasets have under some names; None where none has it.

    Args:
        datasets: by key, see :func:`dataset_configs`.
        names: of the settings.

    Raises:
        ValueError: two have different settings; the message names the first difference.
    """
    (first, settings), *others = datasets.items()
    settings = {name: settings.get(name) for name in names}
    for key, dataset in others:
        difference = _difference(settings, {name: dataset.get(name) for name in names})
        if difference is not None:
            name, *values = difference
            raise ValueMistake(
                f'expected the same {name} in all datasets but got {values[0]!r} in {first} and '
                f'{values[1]!r} in {key}'
            )
    return settings


def _difference(one: Any, other: Any, key: str = '') -> tuple[str, Any, Any] | None:
    """The first entry in which two values of a config differ: its key and both, or None."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        pairs = [(name, one.get(name), other.get(name)) for name in {**one, **other}]
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        pairs = [(index, *pair) for index, pair in enumerate(zip_longest(one, other))]
    else:
        return None if one == other else (key, one, other)
    found = (_difference(a, b, f'{key}.{name}'.lstrip('.')) for name, a, b in pairs)
    return next(filter(None, found), None)


def is_a(part: Any, name: str) -> bool:
    """Whether a config, or what is built, is of that type.

    The type of a config may have a scope (``'mmaction.LoadFeature'``), or be the class itself.
    """
    kind = part.get('type') if isinstance(part, Mapping) else type(part)
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2] == name


def setting_of(holder: Any, name: str) -> Any:
    """An entry of a config, or the attribute of what is built; None where there is none."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
