"""A trained localizer as an ONNX file, and the proof that the file says what PyTorch says."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from mmengine.config import Config
from torch import Tensor, nn

from asl_mmaction.apis.classes import find_classes, model_classes
from asl_mmaction.apis.config import check_parts, load_config
from asl_mmaction.apis.model import Predictor
from asl_mmaction.apis.onnx_network import (
    ABOUT,
    CONFIG,
    OnnxNetwork,
    describe_network,
    import_extra,
    to_outputs,
)
from asl_mmaction.files.checkpoint import dataset_meta, load_checkpoint, weights_digest
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import replaced
from asl_mmaction.models.localizers import HeadLocalizer

#: How far a value may be from PyTorch's, relative to the largest one (at least to 1: a score's
#: range, a step of the grid). A float32 is rounded by 6e-8, and sums of n products in another order
#: differ by some sqrt(n) roundings: 1e-5 are those of 28,000 products, and a layer has up to 6,000.
TOLERANCE = 1e-5
OPSET = 18


class Parity(NamedTuple):
    """How well a file agrees with PyTorch on random features.

    Attributes:
        batch: Videos at once; the first has ``steps``, each further one half of the one before.
        steps: Without padding.
        differences: Of each output the largest, at valid steps, relative as in :data:`TOLERANCE`.
    """

    batch: int
    steps: int
    differences: dict[str, float]


class Export(NamedTuple):
    """What was exported.

    Attributes:
        inputs: Width C of the features (N, T, C).
        multiple: T has to be a multiple of it.
        parity: Of every trial.
    """

    inputs: int
    multiple: int
    parity: list[Parity]


class _Network(nn.Module):
    """The tensors of a localizer's ``find``, in the order of :func:`to_outputs`."""

    def __init__(self, localizer: HeadLocalizer) -> None:
        super().__init__()
        self.localizer = localizer

    def forward(self, features: Tensor, masks: Tensor) -> tuple[Tensor, ...]:
        return tuple(to_outputs(self.localizer.find(features, masks)).values())


def export_onnx(
    config: str | os.PathLike | Config, checkpoint: str | os.PathLike, out: str | os.PathLike
) -> Export:
    """Write the network of a localizer: features and masks in, what its post-processor takes out.

    Both the number of videos N and of steps T are free, T a multiple of the preprocessor's
    ``size_divisor``. Windows, SoftNMS and all that follows stay in Python. The file's metadata
    holds the classes, the settings of the network, the grid and the text of the config.

    The file is compared with PyTorch before it gets its name, see :func:`compare`.

    Args:
        config: See :func:`~asl_mmaction.apis.load_config`; with ``test_dataloader``.
        checkpoint: Of a training with it.
        out: The file.

    Raises:
        FileNotFoundError, ValueError: As of :class:`~asl_mmaction.apis.TALInferencer`; or the model
            cannot be exported, or does not agree. Then there is no file.
        ImportError: onnx or onnxruntime is not installed.
    """
    for package in ('onnx', 'onnxruntime'):
        import_extra(package)
    config = load_config(config)
    check_parts(config, 'model', 'test_dataloader')
    content = load_checkpoint(checkpoint)
    model_classes(config, content, checkpoint)
    model = Predictor(config, content, checkpoint, torch.device('cpu')).model
    if not isinstance(model, HeadLocalizer):
        raise ValueMistake(
            'expected a DenseLocalizer, SlidingWindowLocalizer or WeakLocalizer but got '
            f'{type(model).__name__}, which cannot be exported'
        )
    meta = {'classes': find_classes(config, content), 'simulated': False, **dataset_meta(content)}
    multiple = model.data_preprocessor.size_divisor
    about = {
        'dataset_meta': {key: meta[key] for key in ('classes', 'simulated')},
        'length_multiple': multiple,
        'weights_sha256': weights_digest(content['state_dict']),
        **describe_network(config),
    }
    width = input_width(model)
    with replaced(Path(out)) as scratch:
        _write(model, width, scratch)
        _describe(scratch, {ABOUT: json.dumps(about), CONFIG: config.pretty_text})
        parity = list(compare(model, OnnxNetwork(scratch)))
        _check(parity, out)
    return Export(width, multiple, parity)


def input_width(model: Any) -> int:
    """Width of the features that a localizer takes."""
    if hasattr(model, 'projection'):
        return sum(model.projection.source_widths)
    return model.head.in_channels


def draw_batch(model: Any, batch: int, steps: int) -> tuple[Tensor, Tensor]:
    """Random features of videos of ``steps``, half as many, ... steps, and their masks; padded."""
    multiple = model.data_preprocessor.size_divisor
    padded = -(-steps // multiple) * multiple
    lengths = torch.tensor([max(1, steps // 2**video) for video in range(batch)])
    masks = torch.arange(padded) < lengths[:, None]
    features = torch.randn(batch, padded, input_width(model), dtype=torch.float32)
    return features * masks.unsqueeze(-1), masks


@torch.no_grad()
def compare(model: Any, network: OnnxNetwork) -> Iterator[Parity]:
    """Run both on the same random features: the shortest, one and two multiples, a longer one.

    Args:
        model: A :class:`HeadLocalizer` on the CPU, float32.
        network: The same, exported.
    """
    multiple = model.data_preprocessor.size_divisor
    longest = max(500, 4 * multiple + 1)
    for batch, steps in ((1, 1), (3, multiple), (2, multiple + 1), (1, longest), (3, longest)):
        features, masks = draw_batch(model, batch, steps)
        ours, theirs = (to_outputs(find(features, masks)) for find in (model.find, network))
        valid = ours.get('point_masks', masks)
        differences = {
            name: _difference(ours[name], theirs[name], valid) for name in network.outputs
        }
        yield Parity(batch, steps, differences)


def _difference(ours: Tensor, theirs: Tensor, valid: Tensor) -> float:
    """The largest, relative; infinite where shapes or masks differ, or it is no number."""
    if ours.shape != theirs.shape:
        return float('inf')
    if ours.dtype == torch.bool:
        return 0.0 if torch.equal(ours, theirs) else float('inf')
    if ours.shape[:2] == valid.shape:
        ours, theirs = ours[valid], theirs[valid]
    ours, theirs = ours.double(), theirs.double()
    value = float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1))
    return value if value == value else float('inf')


def _check(parity: list[Parity], out: str | os.PathLike) -> None:
    for batch, steps, differences in parity:
        worst = max(differences, key=lambda name: differences[name])
        if differences[worst] > TOLERANCE:
            raise ValueMistake(
                f'expected {out} to agree with PyTorch to {TOLERANCE:g} but {worst} differs by '
                f'{differences[worst]:.1e} (batch of {batch}, {steps} steps); it is not written'
            )


def _write(model: Any, width: int, path: Path) -> None:
    """Export to a file, by the tracing exporter.

    The other one (``dynamo=True``) has to prove each padded or strided length by symbolic algebra,
    which takes minutes for a pyramid.
    """
    features, masks = draw_batch(model, 2, 3 * model.data_preprocessor.size_divisor)
    with torch.no_grad():
        names = list(to_outputs(model.find(features, masks)))
    length = 'points' if 'point_masks' in names else 'steps'
    axes = {name: {0: 'batch', 1: length} for name in names if name != 'video_scores'}
    inputs = {name: {0: 'batch', 1: 'steps'} for name in ('features', 'masks')}
    # Where something fails, the exporter prints the whole graph, whatever `verbose` says.
    silent = mock.patch.object(torch._C, '_jit_onnx_log')
    try:
        # It warns of every Python number that a tracer cannot follow; the comparison tells.
        with silent, torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            torch.onnx.export(
                _Network(model).eval(),
                (features, masks),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=names,
                dynamic_axes={**inputs, 'video_scores': {0: 'batch'}, **axes},
            )
    except RuntimeError as error:
        reason = str(error).partition('\n')[0]
        raise ValueMistake(f'{type(model).__name__} cannot be exported: {reason}') from error


def _describe(path: Path, entries: dict[str, str]) -> None:
    onnx = import_extra('onnx')
    content = onnx.load(path)
    onnx.helper.set_model_props(content, entries)
    onnx.save(content, path)
