"""Masked 1-D convolution over (N, T, C) sequences, and the tower of them that all parts share."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.temporal_conv import temporal_conv


class MaskedConv1d(nn.Module):
    """1-D convolution, "same" padding, whose output is zero where the mask is False.

    The input must be zero on padding, as every masked module here leaves it; then padding changes
    nothing at valid steps.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd kernel size.
        stride: Stride; T must be divisible by it.
        groups: Convolution groups.
        bias: Whether to add a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueMistake(f'expected kernel_size to be odd but got {kernel_size}')
        conv = nn.Conv1d(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
        self.weight = conv.weight  # (out, in / groups, kernel)
        self.bias = conv.bias
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.kernel_size = kernel_size
        self.stride = stride
        self.groups = groups

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (N, T, C_in), zero on padding.
            mask: (N, T / stride) bool, the mask of the output.

        Returns:
            (N, T / stride, C_out), zero on padding.
        """
        return self.convolve(x) * mask.unsqueeze(-1)

    def convolve(self, x: Tensor) -> Tensor:
        """The same without the mask, where the caller masks what it makes of it."""
        return temporal_conv(x, self.weight, self.bias, self.stride, self.groups)


class MaskedConvTower(nn.Module):
    """``num_convs`` times masked convolution, LayerNorm, ReLU.

    Args:
        in_channels: Input channels.
        channels: Channels of every layer.
        num_convs: Number of layers.
        kernel_size: Odd kernel size.
    """

    def __init__(
        self, in_channels: int, channels: int, num_convs: int, kernel_size: int = 3
    ) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * num_convs
        self.convs: Any = nn.ModuleList(
            MaskedConv1d(widths[i], channels, kernel_size, bias=False) for i in range(num_convs)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(num_convs))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C_in), (N, T) -> (N, T, C), zero on padding."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv.convolve(x))) * mask.unsqueeze(-1)
        return x
