"""A clamp from which values come back."""

import torch
from torch import Tensor


class _ClampIntoRange(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bounds = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        low, high = ctx.bounds
        outwards = ((x <= low) & (grad > 0)) | ((x >= high) & (grad < 0))
        return grad.masked_fill(outwards, 0.0), None, None


def clamp_into_range(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp whose gradient is dropped only where it would drive a value further out.

    With the gradient of a plain clamp, what is outside stays there for ever.

    Args:
        x: Any shape.
        low: Least value.
        high: Greatest value.

    Returns:
        The shape of ``x``.
    """
    return _ClampIntoRange.apply(x, low, high)
