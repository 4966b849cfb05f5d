"""From feature width(s) to model width."""

import math
from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers import MaskedConvTower


class SinusoidalPosition(nn.Module):
    """Absolute position encoding, scaled by 1 / sqrt(C).

    Where a video has more steps than ``max_len``, the table is stretched over its valid steps by
    linear interpolation. The stretch depends on the video alone, not on what it is batched with.

    Args:
        channels: Width C, even.
        max_len: Trained length, in steps.
    """

    table: Tensor

    def __init__(self, channels: int, max_len: int) -> None:
        super().__init__()
        if channels % 2:
            raise ValueMistake(f'expected channels to be even but got {channels}')
        self.max_len = max_len
        rate = 10000.0 ** (-torch.arange(0, channels, 2) / channels)  # (C / 2,)
        angle = torch.arange(max_len)[:, None] * rate
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1) / math.sqrt(channels)
        self.register_buffer('table', table, persistent=False)  # (max_len, C)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C), (N, T) -> x + encoding, zero on padding."""
        last = (mask.sum(1, keepdim=True) - 1).clamp(min=1)  # (N, 1)
        stretch = ((self.max_len - 1) / last).clamp(max=1.0)
        position = torch.arange(x.size(1), device=x.device) * stretch  # (N, T)
        position = position.clamp(max=self.max_len - 1)
        low = position.long()
        high = (low + 1).clamp(max=self.max_len - 1)
        encoding = torch.lerp(self.table[low], self.table[high], (position - low).unsqueeze(-1))
        return (x + encoding) * mask.unsqueeze(-1)


@MODELS.register_module()
class ConvProjection(BaseModule):
    """Projects feature sources to their own width, concatenates them, then masked convolutions.

    Args:
        in_channels: Width of the features, or one width per source in the order in which
            the sources are concatenated.
        out_channels: Model width C.
        source_channels: Width that each source is projected to first; None with a single source.
        num_convs: Number of convolution + LayerNorm + ReLU layers.
        kernel_size: Odd kernel size of these.
        dropout: Dropout of the input features.
        position_len: Trained length (steps) of the sinusoidal position encoding; None = without.
    """

    def __init__(
        self,
        *,
        in_channels: int | Sequence[int],
        out_channels: int,
        source_channels: Sequence[int] | None = None,
        num_convs: int = 2,
        kernel_size: int = 3,
        dropout: float = 0.0,
        position_len: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.source_widths = [in_channels] if isinstance(in_channels, int) else list(in_channels)
        width = sum(self.source_widths)
        self.sources = None
        if source_channels is not None:
            if len(source_channels) != len(self.source_widths):
                raise ValueMistake(
                    f'expected source_channels to have one width for each of the '
                    f'{len(self.source_widths)} sources but got {list(source_channels)}'
                )
            self.sources = nn.ModuleList(
                nn.Linear(a, b) for a, b in zip(self.source_widths, source_channels, strict=True)
            )
            width = sum(source_channels)
        if num_convs == 0 and width != out_channels:
            raise ValueMistake(
                f'expected num_convs >= 1, to get from width {width} to out_channels='
                f'{out_channels}, but got 0'
            )
        self.out_channels = out_channels
        self.dropout = nn.Dropout(dropout)
        self.tower = MaskedConvTower(width, out_channels, num_convs, kernel_size)
        self.position = (
            None if position_len is None else SinusoidalPosition(out_channels, position_len)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C_in), (N, T) -> (N, T, C), zero on padding.

        Raises:
            ValueError: If the features are not as wide as declared.
        """
        if x.size(-1) != sum(self.source_widths):
            raise ValueMistake(
                f'projection: expected features of width {sum(self.source_widths)} '
                f'(in_channels) but got {x.size(-1)}'
            )
        x = self.dropout(x)
        if self.sources is not None:
            parts = x.split(self.source_widths, dim=-1)
            x = torch.cat([f(part) for f, part in zip(self.sources, parts, strict=True)], dim=-1)
            x = x * mask.unsqueeze(-1)
        x = self.tower(x, mask)
        return x if self.position is None else self.position(x, mask)
