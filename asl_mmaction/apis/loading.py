"""What a finished training left behind: config, checkpoint, class names, learned Gaussians."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, CheckpointLoader
from torch import nn
from torch.utils.data import Dataset

from asl_mmaction.apis.datasets import agreed_settings, find_datasets, is_a, setting_of
from asl_mmaction.files.reading import check_file
from asl_mmaction.visualization import ClassGaussians

CLASS_LEVEL = 'head.sensitivity.class_level.'


def load_config(config: str | os.PathLike | Config) -> Config:
    """A config from a file, from an installed package, or as it is.

    Args:
        config: path of a file, ``'package::file within its configs'`` such as
            ``'asl_mmaction::asl/asl_hapt.py'``, or a config.

    Raises:
        FileNotFoundError: no such file.
        TypeError: something else.
    """
    if isinstance(config, Config):
        return config
    if not isinstance(config, (str, os.PathLike)):
        raise TypeError(f'expected a config or its path but got {type(config).__name__}')
    if '::' in str(config):
        return get_config(str(config))
    check_file(config, 'a config file')
    return Config.fromfile(config)


def load_checkpoint(checkpoint: str | os.PathLike) -> dict:
    """The content of a checkpoint, on the CPU, read without running any code that it may hold.

    Where an EMA hook was used, ``state_dict`` holds the averaged weights: the hook swaps them in
    before saving.

    Args:
        checkpoint: path, or an address that mmengine loads from, such as ``'https://...'``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint of the Runner.
    """
    content = read_checkpoint(checkpoint)
    if not isinstance(content.get('state_dict'), dict):
        raise ValueError(f"expected a checkpoint with 'state_dict' but got {checkpoint} without")
    return content


def read_checkpoint(checkpoint: str | os.PathLike) -> dict:
    """What :func:`load_checkpoint` reads, or weights alone: a dict of any kind.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it cannot be read, or holds something else.
    """
    path = os.path.expanduser(checkpoint)
    remote = '://' in str(path)
    if not remote:
        check_file(path, 'a checkpoint')
    try:
        if remote:
            content = CheckpointLoader.load_checkpoint(path, map_location='cpu')
        else:
            content = torch.load(path, map_location='cpu', weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # what a file that is no checkpoint raises is not bounded
        refused = re.search(r'GLOBAL (\S+)', str(error))
        reason = (
            f'it holds {refused[1]}, and only tensors and plain values are read'
            if refused
            else f'{error}'
            if remote and isinstance(error, OSError)
            else f'it is damaged, or not a file that torch.save wrote ({type(error).__name__})'
        )
        raise ValueError(
            f'expected a checkpoint but could not read {checkpoint}: {reason}'
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a checkpoint with 'state_dict' but got {checkpoint} without")
    return content


def load_weights(model: nn.Module, content: dict, name: str | os.PathLike) -> None:
    """Copy a checkpoint's weights into a model; sensitivity may be in either, both or none.

    Args:
        model: is changed; may be wrapped for distributed testing.
        content: from :func:`load_checkpoint`.
        name: of the checkpoint, for the error.

    Raises:
        ValueError: the weights are those of another architecture.
    """
    if is_model_wrapper(model):
        model = model.module
    state = content['state_dict']
    own = model.state_dict()
    # Sensitivity does nothing at inference.
    wrong = [key for key in own.keys() ^ state.keys() if '.sensitivity.' not in key]
    wrong += [
        key
        for key in own.keys() & state.keys()
        if own[key].shape != getattr(state[key], 'shape', None)
    ]
    if wrong:
        first = min(wrong)
        expected, found = (
            tuple(getattr(weights[first], 'shape', ())) if first in weights else 'none'
            for weights in (own, state)
        )
        raise ValueError(
            f'expected the weights of this config but {len(wrong)} entries of {name} '
            f'are missing, unknown or of another shape, such as {first}: expected '
            f'{expected} but got {found}'
        )
    model.load_state_dict(state, strict=False)


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
    raise ValueError(
        "expected class names in the checkpoint's dataset_meta or in the config's "
        'test_dataloader.dataset.metainfo but got none'
    )


def dataset_meta(content: dict) -> dict:
    """What a checkpoint says of its training data; empty where it says nothing, or is converted."""
    meta = content.get('meta')
    found = meta.get('dataset_meta') if isinstance(meta, dict) else None
    return found if isinstance(found, dict) else {}


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
        raise ValueError(
            'expected PackTALInputs with class_agnostic=True in the training pipeline of a model '
            f'of one class (model.head.num_classes) but got data of {most} classes without it'
        )
    if count == 1 or not known:
        return
    first, expected = next(iter(known.items()))
    for where, names in known.items():
        if count not in (None, len(names)):
            raise ValueError(
                f'expected {count} classes (model.head.num_classes) but got {len(names)} in {where}'
            )
        if names != expected:
            label, wanted, found = next(
                (label, *pair)
                for label, pair in enumerate(zip_longest(expected, names))
                if pair[0] != pair[1]
            )
            raise ValueError(
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


def read_class_gaussians(
    config: str | os.PathLike | Config, checkpoint: str | os.PathLike
) -> ClassGaussians:
    """The class-level Gaussians that a training learned, sigma clamped as the loss uses it.

    Args:
        config: see :func:`load_config`; it says how the parameters are to be read.
        checkpoint: of a training with that config.

    Raises:
        ValueError: the config or the checkpoint has no class-level sensitivity, or they are not of
            the same classes or Gaussians.
    """
    config = load_config(config)
    content = load_checkpoint(checkpoint)
    head = config.get('model', {}).get('head') or {}
    class_level = (head.get('sensitivity') or {}).get('class_level')
    state = {
        key.removeprefix(CLASS_LEVEL): value
        for key, value in content['state_dict'].items()
        if key.startswith(CLASS_LEVEL)
    }
    if class_level is None or not state:
        raise ValueError(
            f'expected class-level sensitivity in the config and the checkpoint but got '
            f'{"no such entry in the config" if class_level is None else f"none in {checkpoint}"}'
        )
    classes = find_classes(config, content)
    check_classes(config, {str(checkpoint): classes})
    module = MODELS.build(class_level, default_args={'num_classes': len(classes)})
    load_weights(module, {'state_dict': state}, checkpoint)
    values = {}
    for kind in ('cls', 'loc'):
        found = [torch.zeros(len(classes), 0)] * 3
        if module.num_gaussians(kind):
            found = [*module.gaussians(kind), module.variance(kind)]
        for name, value in zip(('mu', 'sigma', 'variance'), found, strict=True):
            values[f'{name}_{kind}'] = value.detach().double().numpy()
    return ClassGaussians(classes, **values)
