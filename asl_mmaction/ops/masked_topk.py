"""The k highest steps of every video and class, with a k of each video's own."""

import torch
from torch import Tensor


def topk_counts(mask: Tensor, ratio: float) -> Tensor:
    """k of each video: ``max(1, floor(ratio * valid steps))``.

    Args:
        mask: (N, T) bool, True = valid.
        ratio: In (0, 1].

    Returns:
        (N,) int64.
    """
    # The slack: 0.29 * 100 is 28.999999999999996.
    return (mask.sum(1).double() * ratio + 1e-6).floor().clamp(min=1).long()


@torch.no_grad()
def topk_mask(values: Tensor, mask: Tensor, counts: Tensor) -> Tensor:
    """Which steps are among the k highest valid ones; of equal ones the first.

    Args:
        values: (N, T, C).
        mask: (N, T) bool, True = valid.
        counts: (N,) int64, k of each video; where fewer steps are valid, all of them.

    Returns:
        (N, T, C) bool.
    """
    mask = mask[..., None]
    values = values.masked_fill(~mask, -torch.inf)
    if torch.jit.is_tracing():  # ONNX has no sort, and of equal values its top-k takes the first
        order = values.topk(values.size(1), dim=1).indices
    else:
        order = values.sort(dim=1, descending=True, stable=True).indices
    steps = torch.arange(values.size(1), device=values.device)
    chosen = (steps < counts[:, None])[..., None].expand_as(order)
    return torch.zeros_like(order, dtype=torch.bool).scatter(1, order, chosen) & mask


def masked_mean(values: Tensor, weights: Tensor, dim: int = 1) -> Tensor:
    """Weighted mean; 0, with a gradient path, where all weights are 0.

    Args:
        values: Any shape, finite.
        weights: >= 0, or bool; broadcasts to that shape.
        dim: The dimension to reduce.
    """
    weights = weights.to(values.dtype).expand_as(values)
    total = weights.sum(dim)
    return (values * weights).sum(dim) / torch.where(total > 0, total, 1)
