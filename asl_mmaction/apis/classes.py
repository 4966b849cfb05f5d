"""Class names: which a checkpoint was trained for, and whether all that meets means the same."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from mmengine.config import Config
from mmengine.runner import BaseLoop
from torch.utils.data import Dataset

from asl_mmaction.apis.datasets import agreed_settings, find_datasets, is_a, setting_of
from asl_mmaction.files.checkpoint import dataset_meta
from asl_mmaction.files.mistakes import ValueMistake


def find_classes(config: Config, content: dict) -> tuple[str, ...]:
    """Class names of the training data as the checkpoint has them, or the config's metainfo.

    Raises:
        ValueError: neither has any, or the config's test datasets have different ones.
    """
    classes = dataset_meta(content).get('classes')
    if not isinstance(classes, (list, tuple)):
        dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
        found = find_datasets(dataset, 'test_dataloader.dataset')
        own = {key: setting_of(part, 'metainfo') or {} for key, part in found.items()}
        classes = agreed_settings(own, ['classes'])['classes']
    if isinstance(classes, (list, tuple)):
        return tuple(classes)
    raise ValueMistake(
        "expected class names in the checkpoint's dataset_meta or in the config's "
        'test_dataloader.dataset.metainfo but got none'
    )


def model_classes(config: Config, content: dict, checkpoint: str | os.PathLike) -> tuple[str, ...]:
    """The class names of a model's labels, as many as it has.

    A model of one class that was trained on data of several takes the classes from elsewhere: its
    label 0 is ``'action'``.

    Args:
        config: With the model.
        content: Of the checkpoint.
        checkpoint: Its name, for an error.

    Raises:
        ValueError: See :func:`find_classes` and :func:`check_classes`.
    """
    classes = find_classes(config, content)
    check_classes(config, {f'the names for checkpoint {checkpoint}': classes})
    head = config.model.get('head') or {}
    return ('action',) if head.get('num_classes', 1) == 1 < len(classes) else classes


def check_classes(config: Config, classes: Mapping[str, Sequence[str] | None]) -> None:
    """Make sure that a label means the same class wherever it is used.

    A model of one class, or without any (proposals), knows no classes: all may differ. One with a
    head has to be trained on the label 0 alone, then: others would be background to it.

    Args:
        config: with the model, or of data alone.
        classes: names in the order of the labels, by who has them; None: unknown.

    Raises:
        ValueError: other names, another order, or another number than the model has; a model of
            one class is trained on the labels of several.
    """
    head = config.get('model', {}).get('head') or {}
    count = head.get('num_classes', 1) if 'model' in config else None
    known = {where: list(names) for where, names in classes.items() if names}
    most = max(map(len, known.values()), default=1)
    if head.get('num_classes') == 1 < most and _trains_on_all_labels(config):
        raise ValueMistake(
            'expected PackTALInputs with class_agnostic=True in the training pipeline of a model '
            f'of one class (model.head.num_classes) but got data of {most} classes without it'
        )
    if count == 1 or not known:
        return
    first, expected = next(iter(known.items()))
    for where, names in known.items():
        if count not in (None, len(names)):
            raise ValueMistake(
                f'expected {count} classes (model.head.num_classes) but got {len(names)} in {where}'
            )
        if names != expected:
            label, wanted, found = next(
                (label, *pair)
                for label, pair in enumerate(zip_longest(expected, names))
                if pair[0] != pair[1]
            )
            raise ValueMistake(
                f'expected the {len(expected)} classes of {first}, in that order, in {where} but '
                f'got {len(names)}, of which number {label} is {found!r} instead of {wanted!r}; '
                "the dataset's metainfo=dict(classes=[...]) sets them"
            )


def _trains_on_all_labels(config: Config) -> bool:
    dataset = (config.get('train_dataloader') or {}).get('dataset') or {}
    return any(map(_packs_all_labels, find_datasets(dataset).values()))


def _packs_all_labels(dataset: Mapping | Dataset) -> bool:
    pipeline = setting_of(dataset, 'pipeline') or []
    return any(
        is_a(step, 'PackTALInputs') and not setting_of(step, 'class_agnostic')
        for step in getattr(pipeline, 'transforms', pipeline)
    )


def classes_of(name: str, loop: BaseLoop | None) -> dict[str, Sequence[str] | None]:
    """The classes of each dataset of a Runner's loop, as :func:`check_classes` takes them."""
    if loop is None:
        return {}
    found = find_datasets(loop.dataloader.dataset)
    classes = {}
    for key, dataset in found.items():
        place = f' ({key})' if len(found) > 1 else ''
        where = f'the {name} data {getattr(dataset, "ann_file", "")}'.strip() + place
        classes[where] = (setting_of(dataset, 'metainfo') or {}).get('classes')
    return classes
