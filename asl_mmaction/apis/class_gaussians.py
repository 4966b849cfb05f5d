"""The class-level Gaussians that a training learned."""

from __future__ import annotations

import os

import torch
from mmaction.registry import MODELS
from mmengine.config import Config

from asl_mmaction.apis.classes import model_classes
from asl_mmaction.apis.config import load_config
from asl_mmaction.files.checkpoint import load_checkpoint, load_weights
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.visualization import ClassGaussians

CLASS_LEVEL = 'head.sensitivity.class_level.'


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
        raise ValueMistake(
            f'expected class-level sensitivity in the config and the checkpoint but got '
            f'{"no such entry in the config" if class_level is None else f"none in {checkpoint}"}'
        )
    classes = model_classes(config, content, checkpoint)
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
