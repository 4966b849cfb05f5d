"""Scaled dot-product attention over time, full or in a sliding window, with exact masking."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Queries are handled in blocks of this many steps; each block sees itself and half a window on
# either side, so that cost and memory grow linearly with the length.
BLOCK = 32
# Added to the score of a hidden key. Finite, so that a row in which every key is hidden stays
# finite, and within the range of float16.
HIDDEN = -3e4


def attention_bias(mask: Tensor, window_size: int | None) -> Tensor:
    """Additive bias that hides invalid keys and, in windowed attention, those out of the window.

    It depends on the mask alone: all blocks of a pyramid level share one.

    Args:
        mask: (N, T) bool, True = valid.
        window_size: Odd number of steps that a query sees, itself in the middle; None = all.

    Returns:
        (N, 1, 1, T) for full attention, (N * B, 1, b, b + window_size - 1) for windowed attention
        with B blocks of b queries; float32.
    """
    if window_size is None:
        bias = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, HIDDEN)
        return bias[:, None, None]
    half = window_size // 2
    num_videos, num_steps = mask.shape
    num_blocks = -(-num_steps // BLOCK)
    num_keys = BLOCK + 2 * half
    padded = F.pad(mask, (half, half + num_blocks * BLOCK - num_steps))
    valid = padded.unfold(1, num_keys, BLOCK)  # (N, B, b + 2h)
    query = torch.arange(BLOCK, device=mask.device)
    key = torch.arange(num_keys, device=mask.device) - half
    near = (query[:, None] - key).abs() <= half  # (b, b + 2h)
    seen = valid[:, :, None] & near  # (N, B, b, b + 2h)
    bias = torch.zeros_like(seen, dtype=torch.float32).masked_fill(~seen, HIDDEN)
    return bias.view(num_videos * num_blocks, 1, BLOCK, num_keys)


def temporal_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    num_heads: int,
    window_size: int | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Multi-head attention over time (eq. 1).

    Windowed attention equals full attention in which a query sees only the keys at most
    ``window_size // 2`` steps away, at a cost that grows linearly with T.

    Args:
        query, key, value: (N, T, C).
        bias: From :func:`attention_bias` with the same mask and window.
        num_heads: Number of heads; divides C.
        window_size: Odd number of steps, or None for full attention.
        dropout: Probability of dropping an attention weight.

    Returns:
        (N, T, C). Steps at which the mask is False hold no meaningful value.
    """
    num_videos, num_steps, channels = query.shape
    head_dim = channels // num_heads
    bias = bias.to(query.dtype)
    if window_size is None:
        split = (num_videos, num_steps, num_heads, head_dim)
        query, key, value = (x.view(split).transpose(1, 2) for x in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value, bias, dropout)
        return out.transpose(1, 2).reshape(num_videos, num_steps, channels)

    half = window_size // 2
    num_blocks = -(-num_steps // BLOCK)
    rest = num_blocks * BLOCK - num_steps
    num_keys = BLOCK + 2 * half

    def to_windows(x: Tensor) -> Tensor:  # (N, T, C) -> (N * B, heads, b + 2h, d)
        windows = F.pad(x, (0, 0, half, half + rest)).unfold(1, num_keys, BLOCK)
        windows = windows.reshape(num_videos * num_blocks, num_heads, head_dim, num_keys)
        return windows.transpose(-1, -2)

    blocks = F.pad(query, (0, 0, 0, rest)).view(-1, BLOCK, num_heads, head_dim).transpose(1, 2)
    out = F.scaled_dot_product_attention(blocks, to_windows(key), to_windows(value), bias, dropout)
    out = out.transpose(1, 2).reshape(num_videos, num_blocks * BLOCK, channels)
    return out[:, :num_steps]
