"""Scalable-granularity perception: the convolutional block of TriDet."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers.masked_conv import MaskedConv1d
from asl_mmaction.models.layers.transformer_block import ScaledDropPath, masked_max_pool
from asl_mmaction.ops.precision import at_least_float32


class MaskedGroupNorm(nn.Module):
    """Group normalization over the valid steps of a video and the channels of a group.

    Args:
        channels: Width C.
        num_groups: Number of groups; divides C.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, num_groups: int, eps: float = 1e-5) -> None:
        super().__init__()
        if channels % num_groups:
            raise ValueMistake(
                f'expected num_groups to divide channels={channels} but got {num_groups}'
            )
        self.num_groups = num_groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C), zero on padding, and (N, T) -> (N, T, C) float32 or more, 0 on padding."""
        x = at_least_float32(x)
        groups = x.unflatten(-1, (self.num_groups, -1))  # (N, T, groups, C / groups)
        valid = mask[:, :, None, None]
        count = (valid.sum(1, keepdim=True) * groups.size(-1)).clamp(min=1)
        mean = groups.sum((1, 3), keepdim=True) / count
        centered = (groups - mean) * valid
        variance = centered.square().sum((1, 3), keepdim=True) / count
        out = (centered * (variance + self.eps).rsqrt()).flatten(-2)
        return (out * self.weight + self.bias) * mask.unsqueeze(-1)


class SGPBlock(nn.Module):
    """Scalable-granularity perception, then the feed-forward part (Shi et al., CVPR 2023).

    ``f(x) = phi(x) * FC(x) + psi(x) * (conv_w(x) + conv_kw(x)) + x`` of the normalized input:
    the instant level, gated by ``phi = ReLU(FC(mean over the video))``, and the window level,
    two depthwise convolutions of a short and a wide kernel, gated by a third one,
    ``psi = conv_w(x)``. Both parts are residual, with layer scale and drop-path.

    Both branches start at zero, as in the released code, but their gates do not: a product
    of which both factors are zero never gets a gradient, and the branch would stay zero for good.

    Args:
        channels: Width C.
        stride: 1, or 2 to halve the rate by a max-pool before all else.
        window_size: Odd kernel w of the short convolution and of the gate.
        window_scale: k; the wide kernel has ``round(k * (w + 1))`` steps, one more where that is
            even.
        mlp_ratio: Width of the feed-forward part over C.
        num_groups: Groups of the norm before the feed-forward part.
        drop_path: Probability of stochastic depth.
    """

    def __init__(
        self,
        channels: int,
        *,
        stride: int = 1,
        window_size: int = 1,
        window_scale: float = 1.5,
        mlp_ratio: float = 4.0,
        num_groups: int = 16,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueMistake(f'expected stride to be 1 or 2 but got {stride}')
        if window_size < 1 or window_size % 2 == 0:
            raise ValueMistake(f'expected window_size to be odd and > 0 but got {window_size}')
        if window_scale < 1:
            raise ValueMistake(f'expected window_scale >= 1 but got {window_scale}')
        self.stride = stride
        wide_size = round(window_scale * (window_size + 1)) // 2 * 2 + 1

        def depthwise(kernel_size: int) -> MaskedConv1d:
            return MaskedConv1d(channels, channels, kernel_size, groups=channels)

        self.norm = nn.LayerNorm(channels)
        self.instant = nn.Linear(channels, channels)
        self.instant_gate = nn.Linear(channels, channels)
        self.short = depthwise(window_size)
        self.wide = depthwise(wide_size)
        self.window_gate = depthwise(window_size)
        for branch in (self.instant, self.short, self.wide):
            nn.init.zeros_(branch.weight)
            nn.init.zeros_(branch.get_parameter('bias'))
        nn.init.zeros_(self.instant_gate.bias)
        self.sgp_path = ScaledDropPath(channels, drop_path)
        self.mlp_norm = MaskedGroupNorm(channels, num_groups)
        hidden = int(channels * mlp_ratio)
        widen, narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        nn.init.zeros_(widen.bias)
        nn.init.zeros_(narrow.bias)
        self.mlp = nn.Sequential(widen, nn.GELU(), narrow)
        self.mlp_path = ScaledDropPath(channels, drop_path)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """One block.

        Args:
            x: (N, T, C), zero on padding; T divisible by the stride.
            mask: (N, T) bool, of the input.

        Returns:
            The output (N, T / stride, C), zero on padding, and its mask (N, T / stride).
        """
        if self.stride == 2:
            x, mask = masked_max_pool(x, mask), mask[:, ::2]
        x = self.sgp_path(x, self.perceive(x, mask))
        x = self.mlp_path(x, self.mlp(self.mlp_norm(x, mask))) * mask.unsqueeze(-1)
        return x, mask

    def perceive(self, x: Tensor, mask: Tensor) -> Tensor:
        """``f(x)``: (N, T, C), (N, T) -> (N, T, C), zero on padding."""
        valid = mask.unsqueeze(-1)
        x = self.norm(x) * valid
        mean = x.sum(1, keepdim=True) / valid.sum(1, keepdim=True).clamp(min=1)  # (N, 1, C)
        instant = F.relu(self.instant_gate(mean)) * self.instant(x)
        window = self.window_gate(x, mask) * (self.short(x, mask) + self.wide(x, mask))
        return (instant + window + x) * valid
