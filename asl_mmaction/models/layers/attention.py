"""The two attentions of the ASL encoder: over frames (eq. 1) and over channels (eq. 2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers.masked_conv import MaskedConv1d
from asl_mmaction.ops.temporal_conv import depthwise_convs
from asl_mmaction.ops.windowed_attention import temporal_attention


class TemporalAttention(nn.Module):
    """Multi-head attention over time (eq. 1).

    Query, key and value each pass a depthwise convolution (kernel 3, the stride of the block) and a
    LayerNorm before their linear projection.

    Args:
        channels: Width C.
        num_heads: Number of heads; divides C.
        stride: 1, or 2 in the blocks that halve the rate.
        window_size: Odd number of steps that a query sees; None = all.
        attn_dropout: Dropout of the attention weights.
        proj_dropout: Dropout of the output.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        *,
        stride: int = 1,
        window_size: int | None = None,
        attn_dropout: float = 0.0,
        proj_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueMistake(
                f'expected num_heads to divide channels={channels} but got {num_heads}'
            )
        if window_size is not None and window_size % 2 == 0:
            raise ValueMistake(f'expected window_size to be odd or None but got {window_size}')
        self.num_heads = num_heads
        self.window_size = window_size
        self.attn_dropout = attn_dropout
        # One convolution with three filters a channel makes the inputs of query, key and value.
        self.conv = MaskedConv1d(
            channels, 3 * channels, 3, stride=stride, groups=channels, bias=False
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.projections = nn.ModuleList(_linear(channels) for _ in range(3))
        self.out = _linear(channels)
        self.dropout = nn.Dropout(proj_dropout)

    def forward(self, x: Tensor, mask: Tensor, bias: Tensor) -> Tensor:
        """Attend.

        Args:
            x: (N, T, C), zero on padding.
            mask: (N, T / stride) bool, of the output.
            bias: :func:`~asl_mmaction.ops.windowed_attention.attention_bias` of ``mask``.

        Returns:
            (N, T / stride, C), zero on padding.
        """
        # Not masked: keys of padding are hidden, queries of padding meet the mask below.
        parts = depthwise_convs(x, self.conv.weight, self.conv.stride)  # 3 x (N, T / stride, C)
        query, key, value = (
            projection(norm(part))
            for part, norm, projection in zip(parts, self.norms, self.projections, strict=True)
        )
        dropout = self.attn_dropout if self.training else 0.0
        out = temporal_attention(query, key, value, bias, self.num_heads, self.window_size, dropout)
        return self.dropout(self.out(out)) * mask.unsqueeze(-1)


class ChannelAttention(nn.Module):
    """Attention of channels to channels (eq. 2).

    The product of a query channel with a key channel runs over the valid steps of the video and is
    scaled by ``1 / sqrt(number of valid steps)``: padding changes nothing. A depthwise convolution
    (kernel 3, the stride of the block) and a LayerNorm of its own come before the projections to
    query, key and value.

    Args:
        channels: Width C.
        num_groups: Channels attend within C / num_groups blocks ("heads"); 1 = the full C x C map.
        stride: 1, or 2 in the blocks that halve the rate.
        attn_dropout: Dropout of the attention weights.
        proj_dropout: Dropout of the output.
    """

    def __init__(
        self,
        channels: int,
        num_groups: int = 1,
        *,
        stride: int = 1,
        attn_dropout: float = 0.0,
        proj_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if channels % num_groups:
            raise ValueMistake(
                f'expected channel_groups to divide channels={channels} but got {num_groups}'
            )
        self.num_groups = num_groups
        self.conv = MaskedConv1d(channels, channels, 3, stride=stride, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels)
        self.projection = _linear(channels, 3 * channels)
        self.out = _linear(channels)
        self.attn_dropout = nn.Dropout(attn_dropout)
        self.dropout = nn.Dropout(proj_dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C), (N, T / stride) -> (N, T / stride, C), zero on padding."""
        valid = mask.unsqueeze(-1)
        qkv = self.projection(self.norm(self.conv(x, mask))) * valid  # (N, T, 3C)
        split = (3, self.num_groups, -1)
        query, key, value = qkv.unflatten(-1, split).movedim(1, -1).unbind(1)  # (N, h, C/h, T)
        # The count itself may be more than a half-precision number holds.
        scale = mask.sum(1).clamp(min=1).rsqrt().to(query.dtype)[:, None, None, None]
        attention = F.softmax((query * scale) @ key.transpose(-1, -2), dim=-1)  # (N, h, C/h, C/h)
        out = self.attn_dropout(attention) @ value  # (N, h, C/h, T)
        out = out.flatten(1, 2).transpose(1, 2)  # (N, T, C)
        return self.dropout(self.out(out)) * valid


def _linear(in_channels: int, out_channels: int | None = None) -> nn.Linear:
    layer = nn.Linear(in_channels, out_channels or in_channels)
    nn.init.zeros_(layer.bias)
    return layer
