"""Segments ``(start, end)`` on a time axis: the one tIoU, clip, centre and duration of the house.

Every function takes NumPy arrays or torch tensors (both arguments of the same kind, any unit) and
returns the same kind. Tensors keep their gradient.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from asl_mmaction.files.mistakes import TypeMistake, ValueMistake

Array = TypeVar('Array', np.ndarray, Tensor)


def segment_durations(segments: Array) -> Array:
    """Durations ``end - start``; negative where the end comes first. (..., 2) -> (...)."""
    _check_segments(segments)
    return segments[..., 1] - segments[..., 0]


def segment_centers(segments: Array) -> Array:
    """Centres, halfway between start and end. (..., 2) -> (...)."""
    _check_segments(segments)
    return 0.5 * (segments[..., 0] + segments[..., 1])


def clip_segments(segments: Array, low: float, high: float) -> Array:
    """A copy with both ends moved into ``[low, high]``. (..., 2) -> (..., 2)."""
    _check_segments(segments)
    return segments.clip(low, high)


def paired_tiou(a: Array, b: Array) -> Array:
    """tIoU of corresponding segments.

    Args:
        a: (..., 2).
        b: (..., 2), broadcast against ``a``.

    Returns:
        (...) in [0, 1]. A pair in which either segment has no positive length scores 0, never nan.
    """
    _check_segments(a)
    _check_segments(b)
    if isinstance(a, np.ndarray):
        a, b = a * 1.0, b * 1.0  # integers too
        return tiou_of_ends(a[..., 0], a[..., 1], b[..., 0], b[..., 1])
    inter = torch.minimum(a[..., 1], b[..., 1]) - torch.maximum(a[..., 0], b[..., 0])
    hull = torch.maximum(a[..., 1], b[..., 1]) - torch.minimum(a[..., 0], b[..., 0])
    # Chosen before the division, so that no gradient is nan.
    overlap = inter > 0
    return torch.where(overlap, inter, 0) / torch.where(overlap, hull, 1)


def tiou_of_ends(
    starts: np.ndarray,
    ends: np.ndarray,
    other_starts: np.ndarray | float,
    other_ends: np.ndarray | float,
) -> np.ndarray:
    """``paired_tiou`` for inner loops: unchecked, contiguous floating-point starts and ends apart.

    Segments that overlap have their hull as their union, and degenerate ones never overlap, so
    tIoU = max(intersection, 0) / hull, which rounding, being monotone, leaves within [0, 1].
    Lengths below the smallest normal number count as none, or nearly so.
    """
    tiou = np.minimum(ends, other_ends)
    tiou -= np.maximum(starts, other_starts)
    np.maximum(tiou, 0, out=tiou)
    hull = np.maximum(ends, other_ends)
    hull -= np.minimum(starts, other_starts)
    np.maximum(hull, np.finfo(hull.dtype).tiny, out=hull)
    tiou /= hull
    return tiou


def segment_tiou(a: Array, b: Array) -> Array:
    """tIoU of every segment of ``a`` with every segment of ``b``. (A, 2), (B, 2) -> (A, B)."""
    return paired_tiou(a[:, None], b[None])


def _check_segments(segments: object) -> None:
    if not isinstance(segments, np.ndarray | Tensor):
        raise TypeMistake(
            f'expected segments as a NumPy array or tensor but got {type(segments).__name__}'
        )
    if segments.ndim == 0 or segments.shape[-1] != 2:
        raise ValueMistake(f'expected segments of shape (..., 2) but got {tuple(segments.shape)}')
