"""Pre-norm transformer block with parallel temporal and channel attention."""

import torch
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers.attention import ChannelAttention, TemporalAttention


class ScaledDropPath(nn.Module):
    """Residual sum with layer scale (init 1e-4) and stochastic depth: drops a branch of a video.

    Args:
        channels: Width C.
        drop_prob: Probability of dropping the branch in training.
    """

    def __init__(self, channels: int, drop_prob: float = 0.0) -> None:
        super().__init__()
        if not 0 <= drop_prob < 1:
            raise ValueMistake(f'expected drop_path in [0, 1) but got {drop_prob}')
        self.scale = nn.Parameter(torch.full((channels,), 1e-4))
        self.drop_prob = drop_prob

    def forward(self, skip: Tensor, x: Tensor) -> Tensor:
        """``skip`` plus the scaled, or dropped, branch ``x``; both (N, T, C)."""
        factor: Tensor = self.scale
        if self.training and self.drop_prob > 0:
            keep = torch.empty(x.size(0), 1, 1, device=x.device, dtype=factor.dtype)
            keep = keep.bernoulli_(1 - self.drop_prob).div_(1 - self.drop_prob)
            factor = factor * keep  # (N, 1, C)
        return torch.addcmul(skip, x, factor)


def masked_max_pool(x: Tensor, mask: Tensor) -> Tensor:
    """Max-pool over time, kernel 3, stride 2, in which padding never wins.

    Args:
        x: (N, T, C), T even.
        mask: (N, T) bool.

    Returns:
        (N, T / 2, C), zero where ``mask[:, ::2]`` is False.
    """
    low = torch.finfo(x.dtype).min
    x = x.masked_fill(~mask.unsqueeze(-1), low)
    even, odd = x[:, ::2], x[:, 1::2]
    before = torch.cat([torch.full_like(odd[:, :1], low), odd[:, :-1]], dim=1)
    return torch.maximum(torch.maximum(even, odd), before) * mask[:, ::2].unsqueeze(-1)


class TransformerBlock(nn.Module):
    """``x + f'`` then the feed-forward part, both pre-norm, with drop-path and layer scale.

    ``f' = (1 - theta) * temporal_attention + theta * channel_attention``: both see the same
    normalized input. With ``theta = 0`` there is no channel attention at all: the plain encoder.

    Args:
        channels: Width C.
        num_heads: Heads of the temporal attention.
        stride: 1, or 2 to halve the rate (the skip path is then a max-pool).
        window_size: Window of the temporal attention in steps of the output; None = full.
        theta: Share of the channel attention, in [0, 1).
        channel_groups: Groups of the channel attention.
        mlp_ratio: Width of the feed-forward part over C.
        dropout: Dropout of projections and of the feed-forward part.
        attn_dropout: Dropout of the attention weights.
        drop_path: Probability of stochastic depth.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        *,
        stride: int = 1,
        window_size: int | None = None,
        theta: float = 0.0,
        channel_groups: int = 1,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attn_dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= theta < 1:
            raise ValueMistake(f'expected theta in [0, 1) but got {theta}')
        if stride not in (1, 2):
            raise ValueMistake(f'expected stride to be 1 or 2 but got {stride}')
        self.stride = stride
        self.theta = theta
        hidden = int(channels * mlp_ratio)
        self.attn_norm = nn.LayerNorm(channels)
        self.temporal_attention = TemporalAttention(
            channels,
            num_heads,
            stride=stride,
            window_size=window_size,
            attn_dropout=attn_dropout,
            proj_dropout=dropout,
        )
        self.mlp_norm = nn.LayerNorm(channels)
        widen, narrow = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        nn.init.zeros_(widen.bias)
        nn.init.zeros_(narrow.bias)
        self.mlp = nn.Sequential(widen, nn.GELU(), nn.Dropout(dropout), narrow, nn.Dropout(dropout))
        self.attn_path = ScaledDropPath(channels, drop_path)
        self.mlp_path = ScaledDropPath(channels, drop_path)
        if theta > 0:
            self.channel_attention = ChannelAttention(
                channels,
                channel_groups,
                stride=stride,
                attn_dropout=attn_dropout,
                proj_dropout=dropout,
            )

    def forward(self, x: Tensor, mask: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """One block.

        Args:
            x: (N, T, C), zero on padding; T divisible by the stride.
            mask: (N, T) bool, of the input.
            bias: Attention bias of the output's mask, ``mask[:, ::stride]``.

        Returns:
            The output (N, T / stride, C), zero on padding, and its mask (N, T / stride).
        """
        out_mask = mask[:, :: self.stride]
        valid = out_mask.unsqueeze(-1)
        normed = self.attn_norm(x) * mask.unsqueeze(-1)
        mixed = self.temporal_attention(normed, out_mask, bias)
        if self.theta > 0:
            channel = self.channel_attention(normed, out_mask)
            mixed = (1 - self.theta) * mixed + self.theta * channel
        skip = x if self.stride == 1 else masked_max_pool(x, mask)
        x = self.attn_path(skip, mixed)
        x = self.mlp_path(x, self.mlp(self.mlp_norm(x))) * valid
        return x, out_mask
