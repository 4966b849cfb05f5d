"""Segments <-> distances from a point in units of its stride."""

import torch
from torch import Tensor

from asl_mmaction.structures.points import Points


def encode_offsets(points: Points, segments: Tensor) -> Tensor:
    """Distances (to start, to end) in strides.

    Args:
        points: P points.
        segments: (N, P, 2) grid.

    Returns:
        (N, P, 2); negative where the point lies outside of its segment.
    """
    left = points.centers - segments[..., 0]
    right = segments[..., 1] - points.centers
    return torch.stack([left, right], dim=-1) / points.strides[:, None]


def decode_offsets(points: Points, offsets: Tensor) -> Tensor:
    """Inverse of :func:`encode_offsets`: (N, P, 2) in strides -> (N, P, 2) segments on the grid."""
    distances = offsets * points.strides[:, None]
    start = points.centers - distances[..., 0]
    end = points.centers + distances[..., 1]
    return torch.stack([start, end], dim=-1)
