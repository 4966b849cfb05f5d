"""Convolution over time of (N, T, C) sequences, without a transpose."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# Least channels, in and out, from which the tiled convolution is faster: training, inference.
TILED_WIDTH, TILED_WIDTH_INFERENCE = 128, 256


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
    exact = x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
    # torch's compiler makes wrong code of what follows (torch 2.13, inductor, CPU).
    eager = x.device.type == 'cpu' and not torch.compiler.is_compiling()
    if not (groups == stride == 1 and eager and exact):
        return _conv2d(x, weight, bias, stride, groups)
    enough = TILED_WIDTH if torch.is_grad_enabled() else TILED_WIDTH_INFERENCE
    if weight.size(2) != 3 or min(weight.shape[:2]) < enough:
        return _DenseConv.apply(x, weight, bias)
    num_steps = x.size(1)
    if num_steps % 2:
        x = F.pad(x, (0, 0, 0, 1))
    out = _TiledConv.apply(x, weight)[:, :num_steps]
    return out if bias is None else out + bias


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

    On a CPU that is faster than the library's own backward pass.
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


class _TiledConv(torch.autograd.Function):
    """A convolution of kernel 3 by Winograd's F(2, 3): two thirds of the multiplications.

    Two outputs of a step pair need four products of sums of the four inputs around them with sums
    of the weights, in place of six. Sums and products are exact but for rounding, about as much of
    it as in the plain convolution. T must be even. The backward pass goes through the same four
    products.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        products = _multiply(_tile_inputs(x), _tile_weight(weight)).unbind(2)
        out = x.new_empty(*products[0].shape[:2], 2, weight.size(0))  # (N, T / 2, 2, C_out)
        even, odd = out.unbind(2)
        torch.add(products[0], products[1], out=even).add_(products[2])
        torch.sub(products[1], products[2], out=odd).sub_(products[3])
        return out.flatten(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        even, odd = grad[:, ::2], grad[:, 1::2]
        tiles = grad.new_empty(*even.shape[:2], 4, grad.size(2))
        tiles[:, :, 0] = even
        torch.add(even, odd, out=tiles[:, :, 1])
        torch.sub(even, odd, out=tiles[:, :, 2])
        torch.neg(odd, out=tiles[:, :, 3])
        grad_x = grad_weight = None
        if ctx.needs_input_grad[1]:
            inputs, outputs = (
                each.flatten(0, 1).transpose(0, 1) for each in (_tile_inputs(x), tiles)
            )
            first, plus, minus, last = torch.bmm(outputs.transpose(1, 2), inputs)
            both, middle = (plus + minus) / 2, (plus - minus) / 2
            grad_weight = torch.stack([first + both, middle, both + last], dim=2)
        if ctx.needs_input_grad[0]:
            inputs = _multiply(tiles, _tile_weight(weight).transpose(1, 2))
            first, plus, minus, last = inputs.unbind(2)  # (N, T / 2, C_in)
            grad_x = x.new_empty(*first.shape[:2], 2, first.size(2))
            even, odd = grad_x.unbind(2)
            torch.sub(plus, minus, out=even).add_(last)
            even[:, 1:] -= last[:, :-1]
            torch.add(plus, minus, out=odd).sub_(first)
            odd[:, :-1] += first[:, 1:]
            grad_x = grad_x.flatten(1, 2)
        return grad_x, grad_weight


def _multiply(tiles: Tensor, weight: Tensor) -> Tensor:
    """(N, T / 2, 4, C_in), (4, C_out, C_in) -> (N, T / 2, 4, C_out): four products a step pair."""
    # As one convolution with four groups, for which libraries have faster code than for products.
    out = _conv2d(tiles.flatten(2), weight.flatten(0, 1).unsqueeze(2), None, 1, 4)
    return out.unflatten(2, (4, -1))


def _tile_inputs(x: Tensor) -> Tensor:
    """(N, T, C) -> (N, T / 2, 4, C).

    For the outputs 2 i and 2 i + 1, of the inputs d0 .. d3 at 2 i - 1 .. 2 i + 2:
    d0 - d2, d1 + d2, d2 - d1, d1 - d3; 0 from outside.
    """
    even, odd = x[:, ::2], x[:, 1::2]
    out = x.new_empty(*even.shape[:2], 4, x.size(2))
    tiles = out.unbind(2)
    torch.sub(odd[:, :-1], odd[:, 1:], out=tiles[0][:, 1:])
    torch.neg(odd[:, :1], out=tiles[0][:, :1])
    torch.add(even, odd, out=tiles[1])
    torch.sub(odd, even, out=tiles[2])
    torch.sub(even[:, :-1], even[:, 1:], out=tiles[3][:, :-1])
    tiles[3][:, -1:] = even[:, -1:]
    return out


def _tile_weight(weight: Tensor) -> Tensor:
    """(C_out, C_in, 3) taps g0, g1, g2 -> (4, C_out, C_in): g0, (g0 +- g1 + g2) / 2, g2."""
    before, middle, after = weight.unbind(2)
    both = (before + after) / 2
    return torch.stack([before, both + middle / 2, both - middle / 2, after])
