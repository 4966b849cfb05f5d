"""Checkpoints: read without running anything that they hold, and copied into a model."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import check_file


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
        raise ValueMistake(f"expected a checkpoint with 'state_dict' but got {checkpoint} without")
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
        raise ValueMistake(
            f'expected a checkpoint but could not read {checkpoint}: {reason}'
        ) from error
    if not isinstance(content, dict):
        raise ValueMistake(f"expected a checkpoint with 'state_dict' but got {checkpoint} without")
    return content


def weights_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Names and values of weights as one SHA-256, whatever file they lie in."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_weights(
    model: nn.Module,
    content: dict,
    name: str | os.PathLike,
    *,
    to_train: bool = False,
    with_sensitivity: bool = False,
) -> None:
    """Copy a checkpoint's weights into a model; sensitivity may be in either, both or none.

    It does nothing at inference, but for the instance level of a model with ``quality_power``.

    Args:
        model: is changed; may be wrapped for distributed testing.
        content: from :func:`load_checkpoint`.
        name: of the checkpoint, for the error.
        to_train: the model is trained next, so that it may have parts that start anew.
        with_sensitivity: the evaluator is looked at: the checkpoint has to have the same.

    Raises:
        ValueError: the weights are those of another architecture, or not finite: those of a
            training that diverged.
    """
    inner: Any = model.module if is_model_wrapper(model) else model
    state = content['state_dict']
    own = inner.state_dict()
    needs_quality = getattr(inner, 'with_quality', False) and not to_train
    wrong = [
        key
        for key in own.keys() ^ state.keys()
        if with_sensitivity
        or '.sensitivity.' not in key
        or (needs_quality and key in own and '.instance_level.' in key)
    ]
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
        hint = (
            '; quality_power needs it (model.post_processor.quality_power=None is without)'
            if needs_quality and '.sensitivity.' in first
            else ''
        )
        raise ValueMistake(
            f'expected the weights of this config but {len(wrong)} entries of {name} '
            f'are missing, unknown or of another shape, such as {first}: expected '
            f'{expected} but got {found}{hint}'
        )
    broken = [key for key in own.keys() & state.keys() if not state[key].isfinite().all()]
    if broken:
        raise ValueMistake(
            f'expected finite weights but {len(broken)} entries of {name} hold NaN or Inf, such as '
            f'{min(broken)}: its training diverged'
        )
    inner.load_state_dict(state, strict=False)


def dataset_meta(content: dict) -> dict:
    """What a checkpoint says of its training data; empty where it says nothing, or is converted."""
    meta = content.get('meta')
    found = meta.get('dataset_meta') if isinstance(meta, dict) else None
    return found if isinstance(found, dict) else {}
