"""The network of a localizer as an ONNX file: what it holds, and running it by onnxruntime."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from asl_mmaction.apis.samples import SampleMaker
from asl_mmaction.files.checkpoint import load_checkpoint, weights_digest
from asl_mmaction.files.mistakes import PackageMistake, ValueMistake
from asl_mmaction.files.reading import check_file, in_context
from asl_mmaction.structures.activations import ActivationScores
from asl_mmaction.structures.candidates import DenseCandidates

BACKENDS = ('torch', 'onnxruntime')
#: Entry of an ONNX file's metadata that says what the model is; another one is the config's text.
ABOUT, CONFIG = 'asl_mmaction', 'asl_mmaction_config'
#: What is told of the model.
TOLD = ('dataset_meta', 'length_multiple', 'weights_sha256', 'model', 'grid')


def import_extra(name: str) -> Any:
    """``onnx`` or ``onnxruntime``.

    Raises:
        ImportError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PackageMistake(
            f'expected {name}, for models in ONNX files, but it is not installed: '
            'pip install onnx onnxruntime'
        ) from error


def to_outputs(found: DenseCandidates | ActivationScores) -> dict[str, Tensor]:
    """What a localizer finds, by the names of the outputs in the file."""
    values = found._asdict()
    if isinstance(found, DenseCandidates):
        values['point_masks'] = values['masks']
    del values['masks']  # the name of an input, which ActivationScores hands on
    return {name: value for name, value in values.items() if value is not None}


def from_outputs(values: Mapping[str, Tensor], masks: Tensor) -> DenseCandidates | ActivationScores:
    """Inverse of :func:`to_outputs`; ``masks`` (N, T) are those of the input."""
    rest = {name: value for name, value in values.items() if name != 'point_masks'}
    if 'point_masks' in values:
        return DenseCandidates(masks=values['point_masks'], **rest)
    return ActivationScores(masks=masks, **rest)


def describe_network(config: Config) -> dict:
    """The settings that make a network what it is, and the grid of its features, as plain values.

    Args:
        config: With model and ``test_dataloader``.
    """
    parts = {part: config.model.get(part) for part in ('projection', 'neck', 'head')}
    grid = SampleMaker(config, None, torch.device('cpu')).grid
    return json.loads(json.dumps({'model': parts, 'grid': grid}, default=str))


class OnnxNetwork:
    """Runs the network of an exported localizer, on the CPU: in place of ``HeadLocalizer.find``.

    It has as many threads as torch.

    Args:
        path: Written by ``tools/deployment/torch2onnx.py``.

    Raises:
        FileNotFoundError: No such file.
        ImportError: onnxruntime is not installed.
        ValueError: It is no such file.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        runtime = import_extra('onnxruntime')
        check_file(path, 'an ONNX file, as tools/deployment/torch2onnx.py writes it,')
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        try:
            self._session = runtime.InferenceSession(
                os.fspath(path), options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # what a damaged file raises is not bounded
            reason = str(error).strip().partition('\n')[0]
            raise ValueMistake(f'expected an ONNX file but got {path}: {reason}') from error
        entries = self._session.get_modelmeta().custom_metadata_map
        if ABOUT not in entries:
            raise ValueMistake(
                f'expected an ONNX file that tools/deployment/torch2onnx.py wrote but got {path}, '
                f'which has no {ABOUT} in its metadata'
            )
        self.path = path
        with in_context(f'{path}: metadata', f'{", ".join(TOLD)} in {ABOUT}'):
            content = json.loads(entries[ABOUT])
            self.about: dict[str, Any] = {key: content[key] for key in TOLD}
        self.outputs = [output.name for output in self._session.get_outputs()]

    def check(self, config: Config) -> None:
        """Make sure that a config is the one of this network.

        Raises:
            ValueError: Another setting of the network, or another grid.
        """
        own = describe_network(config)
        for part in ('model', 'grid'):
            difference = _first_difference(self.about[part], own[part], part)
            if difference is not None:
                key, exported, given = difference
                raise ValueMistake(
                    f'expected the config that {self.path} was exported with, where {key} is '
                    f'{exported!r}, but got {given!r}: export the model again'
                )
        powers = config.model.post_processor.get('quality_power') or {}
        if any(powers.values()) and 'quality' not in self.outputs:
            raise ValueMistake(
                f'expected a quality in {self.path}, for post_processor.quality_power, but got '
                'none: export the model again, with that setting'
            )

    def check_weights(self, state: Mapping[str, Tensor], checkpoint: Path) -> None:
        """Make sure that the file was made of the checkpoint beside it.

        Raises:
            ValueError: It was made of other weights, such as those of a training before.
        """
        if weights_digest(state) != self.about['weights_sha256']:
            raise ValueMistake(
                f'expected {self.path} with the weights of {checkpoint} but it was exported from '
                'others: export the model again'
            )

    def __call__(self, inputs: Tensor, masks: Tensor) -> DenseCandidates | ActivationScores:
        """(N, T, C) features, zero on padding, and (N, T) bool -> as the localizer's ``find``."""
        values = self._session.run(
            self.outputs, {'features': inputs.float().numpy(), 'masks': masks.numpy()}
        )
        named = zip(self.outputs, map(torch.from_numpy, values), strict=True)
        return from_outputs(dict(named), masks)


def open_network(
    config: Config, checkpoint: str | os.PathLike, backend: str
) -> tuple[str | os.PathLike, dict, OnnxNetwork | None]:
    """The file of a model, what a checkpoint says, and the network where it is not torch's.

    Args:
        config: Of the model.
        checkpoint: Of torch; or an ONNX file. For onnxruntime, that of another ending stands for
            the ONNX file beside it, which must have its weights.
        backend: One of :data:`BACKENDS`.

    Raises:
        FileNotFoundError, ImportError, ValueError: See :func:`load_checkpoint`,
            :class:`OnnxNetwork` and its checks; or there is no such backend.
    """
    path = Path(checkpoint)
    if backend not in BACKENDS:
        raise ValueMistake(f'expected backend to be one of {BACKENDS} but got {backend!r}')
    if backend == 'torch':
        if path.suffix == '.onnx':
            raise ValueMistake(
                f"expected backend 'onnxruntime' for {checkpoint} but got {backend!r}"
            )
        return checkpoint, load_checkpoint(checkpoint), None
    network = OnnxNetwork(path.with_suffix('.onnx'))
    network.check(config)
    if path.suffix != '.onnx' and path.is_file():
        network.check_weights(load_checkpoint(path)['state_dict'], path)
    return network.path, {'meta': {'dataset_meta': network.about['dataset_meta']}}, network


def _first_difference(one: Any, other: Any, key: str) -> tuple[str, Any, Any] | None:
    """The first setting, key by key, that is not the same: its name and both values."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return None if one == other else (key, one, other)
    for name in sorted({*one, *other}):
        found = _first_difference(one.get(name), other.get(name), f'{key}.{name}')
        if found is not None:
            return found
    return None
