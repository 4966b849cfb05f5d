"""A trained model: on a device, or beside a data set."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmaction.registry import DATASETS, MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope

from asl_mmaction.apis.classes import model_classes
from asl_mmaction.apis.config import check_parts, load_config
from asl_mmaction.files.checkpoint import load_checkpoint, load_weights
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.localizers import DenseLocalizer, SlidingWindowLocalizer

#: A longer sequence is looked at in windows, by a model that has none of its own; and their length.
MAX_STEPS, WINDOW_STEPS = 16384, 8192


class Predictor:
    """The model of a config with the weights of a checkpoint.

    A sequence of more than :data:`MAX_STEPS` steps is looked at in windows, as
    :class:`SlidingWindowLocalizer` does, since memory grows with the steps; that is said.

    Args:
        config: With the model.
        content: Of the checkpoint.
        checkpoint: Its name, for an error.
        device: Where to.
        network: Runs in place of the model's ``find``, with weights of its own.

    Raises:
        ValueError: The weights are those of another architecture.
    """

    def __init__(
        self,
        config: Config,
        content: dict,
        checkpoint: str | os.PathLike,
        device: torch.device,
        network: Callable | None = None,
    ) -> None:
        self._config, self._device, self._network = config.model, device, network
        self.model = self._build(self._config)
        if network is None:
            load_weights(self.model, content, checkpoint)
        self.model.to(device).eval()
        self._windowed: SlidingWindowLocalizer | None = None

    @torch.no_grad()
    def __call__(self, inputs: dict) -> list[ActionDataSample]:
        """Detect actions in a batch.

        Args:
            inputs: ``inputs``, (T, C) of each, and ``data_samples``. Without a duration, a
                recording ends with the last clip.

        Returns:
            The data samples, with ``pred_instances``.
        """
        features, samples = inputs['inputs'], inputs['data_samples']
        for sample in samples:
            if sample.duration is None:
                grid, last = sample.grid, sample.num_steps - 1
                end = grid.to_seconds(last) + 0.5 * grid.clip_len / grid.fps
                sample.set_metainfo({'duration': float(end)})
        longest = max(sample.num_steps for sample in samples)
        if longest <= MAX_STEPS or type(self.model) is not DenseLocalizer:
            return self.model.test_step(inputs)
        if len(samples) > 1:
            pairs = zip(features, samples, strict=True)
            return [self({'inputs': [x], 'data_samples': [s]})[0] for x, s in pairs]
        windowed = self._in_windows()
        print_log(
            f'video {samples[0].video_name!r}: {longest} steps are looked at in windows of '
            f'{windowed.windows.length}, since memory grows with them',
            logger='current',
            level=logging.WARNING,
        )
        mask = torch.ones(1, longest, dtype=torch.bool, device=self._device)
        # Not by its test_step, which would copy the sequence.
        return windowed.predict(features[0][None].to(self._device), mask, samples)

    def _in_windows(self) -> SlidingWindowLocalizer:
        """The model with windows, which shares its weights."""
        if self._windowed is None:
            divisor = self.model.data_preprocessor.size_divisor
            length = max(WINDOW_STEPS // divisor, 1) * divisor
            settings = {'type': 'SlidingWindowLocalizer', 'window_length': length}
            windowed = self._build({**self._config, **settings, 'windows_per_batch': 1})
            windowed.load_state_dict(self.model.state_dict(), assign=True)
            self._windowed = windowed.eval()
        return self._windowed

    def _build(self, config: Mapping) -> Any:
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(config)
        if self._network is not None:
            model.find = self._network
        return model


def load_beside_data(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    loader: str,
    check: Callable[[Config, Any], None],
    *,
    with_sensitivity: bool = False,
) -> tuple[Config, Any, tuple[str, ...], Any]:
    """A trained model, its classes and a data set of its config.

    Args:
        config: See :func:`load_config`.
        checkpoint: Of a training with that config.
        loader: The key of the config that has the data set, such as ``'test_dataloader'``.
        check: Of config and model; raises where the model is not of the kind that is needed, before
            data and weights are read.
        with_sensitivity: See :func:`load_weights`.

    Returns:
        The config, the model in evaluation mode, the names of its classes, and the data set.

    Raises:
        ValueError: The config has no model or no such data set, or the checkpoint does not fit.
    """
    config = load_config(config)
    check_parts(config, 'model', loader)
    content = load_checkpoint(checkpoint)
    classes = model_classes(config, content, checkpoint)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
        check(config, model)
        dataset = DATASETS.build(config[loader].dataset)
    load_weights(model, content, checkpoint, with_sensitivity=with_sensitivity)
    return config, model.eval(), classes, dataset


def check_sensitivity(config: Config, model: Any) -> None:
    """Refuse, with a ``ValueMistake``, a model that has no evaluator."""
    if getattr(getattr(model, 'head', None), 'sensitivity', None) is None:
        raise ValueMistake(
            f'expected a model with head.sensitivity but got none in {config.filename}'
        )


def find_device(device: str | torch.device | None, backend: str = 'torch') -> torch.device:
    """A device of this machine; None: the GPU where there is one, and the backend runs on it.

    Raises:
        ValueError: There is no such device, or the backend does not run on it.
    """
    if backend != 'torch':
        if str(device or 'cpu') != 'cpu':
            raise ValueMistake(f"expected device 'cpu' for {backend} but got {device!r}")
        return torch.device('cpu')
    try:
        found = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        torch.empty(0, device=found)
    except (AssertionError, NotImplementedError, RuntimeError) as error:
        reason = str(error).partition('\n')[0]
        raise ValueMistake(
            f'expected a device of this machine but got {device!r}: {reason}'
        ) from error
    return found
