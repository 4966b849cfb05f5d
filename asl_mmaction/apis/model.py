"""A trained model on a device."""

from __future__ import annotations

import copy
import os

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from asl_mmaction.apis.checkpoint import load_weights
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.localizers import SlidingWindowLocalizer


def build_model(
    config: Config, content: dict, checkpoint: str | os.PathLike, device: torch.device
) -> nn.Module:
    """The model of a config with the weights of a checkpoint, for inference.

    Args:
        config: With the model.
        content: Of the checkpoint.
        checkpoint: Its name, for an error.
        device: Where to.

    Raises:
        ValueError: The weights are those of another architecture.
    """
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    load_weights(model, content, checkpoint)
    return model.to(device).eval()


def with_windows(model: nn.Module, config: Config, length: int) -> SlidingWindowLocalizer:
    """A DenseLocalizer with windows, which share its weights.

    Args:
        model: Of the config.
        config: With the model.
        length: Of a window, in steps, at most.
    """
    settings = copy.deepcopy(config.model)
    divisor = model.data_preprocessor.size_divisor
    length = max(length // divisor, 1) * divisor
    settings.update(type='SlidingWindowLocalizer', window_length=length, windows_per_batch=1)
    with DefaultScope.overwrite_default_scope('mmaction'):
        windowed = MODELS.build(settings)
    windowed.load_state_dict(model.state_dict(), assign=True)
    return windowed.eval()


def find_device(device: str | torch.device | None) -> torch.device:
    """A device of this machine; None: the GPU where there is one.

    Raises:
        ValueError: There is no such device.
    """
    try:
        found = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        torch.empty(0, device=found)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueMistake(
            f'expected a device of this machine but got {device!r}: {reason}'
        ) from error
    return found
