"""Convolution over time of (N, T, C) sequences, without a transpose."""

import torch
import torch.nn.functional as F
from torch import Tensor

from asl_mmaction.ops.recording import is_recorded


def temporal_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, groups: int = 1
) -> Tensor:
    """1-D convolution, "same" padding.

    Args:
        x: (N, T, C_in); T divisible by the stride.
        weight: (C_out, C_in / groups, k) as ``conv1d`` has it, k odd.
        bias: (C_out,) or None.
        stride: Stride.
        groups: Convolution groups.

    Returns:
        (N, T / stride, C_out).
    """
    # Elsewhere (a GPU, autocast, a compiler, an exporter) the library's own backward pass runs.
    eager = x.device.type == 'cpu' and not is_recorded()
    if groups == stride == 1 and eager and not torch.is_autocast_enabled('cpu'):
        return _DenseConv.apply(x, weight, bias)
    return _conv2d(x, weight, bias, stride, groups)


def depthwise_convs(x: Tensor, weight: Tensor, stride: int = 1) -> list[Tensor]:
    """Several filters a channel, the results apart: m times (N, T, C) -> (N, T / stride, C).

    Args:
        x: (N, T, C).
        weight: (m * C, 1, k) as ``conv1d`` with C groups has it.
        stride: Stride.
    """
    # One filter a channel is what libraries have fast code for.
    filters = weight.unflatten(0, (x.size(2), -1)).unbind(1)
    return [_conv2d(x, each, None, stride, x.size(2)) for each in filters]


def _conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, groups: int) -> Tensor:
    # A 2-D convolution over a channels-last view of the same memory needs no transpose.
    image = x.transpose(1, 2).unsqueeze(2)  # (N, C, 1, T)
    padding = (0, weight.size(2) // 2)
    out = F.conv2d(image, weight.unsqueeze(2), bias, (1, stride), padding, groups=groups)
    return out.squeeze(2).transpose(1, 2)


class _DenseConv(torch.autograd.Function):
    """A convolution whose backward pass is two matrix products with the unfolded gradient.

    docs/speed.md has what that gains over the library's own backward pass on a CPU.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _conv2d(x, weight, bias, 1, 1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        out_channels, in_channels, kernel_size = weight.shape
        taps = _unfold(grad, kernel_size).flatten(0, 1)  # (N * T, k, C_out)
        columns = taps.flatten(1)  # (N * T, k * C_out)
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = columns @ weight.permute(2, 0, 1).reshape(-1, in_channels)
            grad_x = grad_x.view_as(x)
        if ctx.needs_input_grad[1]:
            grad_weight = columns.T @ x.flatten(0, 1)  # (k * C_out, C_in)
            grad_weight = grad_weight.view(kernel_size, out_channels, -1).permute(1, 2, 0)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 1))
        return grad_x, grad_weight, grad_bias


def _unfold(grad: Tensor, kernel_size: int) -> Tensor:
    """(N, T, C) -> (N, T, k, C): what step t gave to its neighbours comes back at tap i from
    step ``t + k // 2 - i``; 0 from outside.
    """
    num_videos, num_steps, channels = grad.shape
    out = grad.new_empty(num_videos, num_steps, kernel_size, channels)
    for tap in range(kernel_size):
        ahead = kernel_size // 2 - tap
        if abs(ahead) >= num_steps:
            out[:, :, tap] = 0
        elif ahead > 0:
            out[:, :-ahead, tap] = grad[:, ahead:]
            out[:, -ahead:, tap] = 0
        elif ahead < 0:
            out[:, -ahead:, tap] = grad[:, :ahead]
            out[:, :-ahead, tap] = 0
        else:
            out[:, :, tap] = grad
    return out
