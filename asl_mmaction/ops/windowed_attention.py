"""Scaled dot-product attention over time, full or in a sliding window, with exact masking."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from asl_mmaction.ops.recording import is_recorded

# Queries are handled in blocks of at least this many steps; each block sees itself and half a
# window on either side, so that cost and memory grow linearly with the length. Fewer hidden keys
# are computed in small blocks; a GPU would rather have large ones.
BLOCK = 16
GPU_BLOCK = 32
# Added to the score of a hidden key. Finite, so that a row in which every key is hidden stays
# finite, and within the range of float16.
HIDDEN = -3e4


def attention_bias(mask: Tensor, window_size: int | None, causal_heads: int = 0) -> Tensor:
    """Additive bias that hides invalid keys and, in windowed attention, those out of the window.

    It depends on the mask alone: all blocks of a pyramid level share one.

    Args:
        mask: (N, T) bool, True = valid.
        window_size: Odd number of steps that a query sees, itself in the middle; None = all.
        causal_heads: Number of heads, an even one, of which the first half sees no step after the
            query's and the second half none before it; 0 = all heads see both sides.

    Returns:
        (N, 1, 1, T) for full attention, (N * B, 1, b, b + window_size - 1) for windowed attention
        with B blocks of b queries; float32. With ``causal_heads`` every head H has its own:
        (N, H, T, T), which grows with the square of the length, or (N * B, H, b, ...).
    """
    if window_size is None:
        half, block = 0, mask.size(1)
        seen = mask[:, None, None]
    else:
        half = window_size // 2
        block = _block_size(half, mask)
        valid = _widen(_cut(mask.unsqueeze(-1), block), half).squeeze(-1)  # (N, B, b + 2h)
        near = _lags(block, half, mask).abs() <= half  # (b, b + 2h)
        seen = (valid[:, :, None] & near).flatten(0, 1).unsqueeze(1)  # (N * B, 1, b, b + 2h)
    if causal_heads:
        lags = _lags(block, half, mask)
        sides = torch.stack([lags >= 0, lags <= 0])  # past, future
        seen = seen & sides.repeat_interleave(causal_heads // 2, dim=0)  # (N * B, H, b, b + 2h)
    return HIDDEN * (~seen).float()


def _lags(block: int, half: int, like: Tensor) -> Tensor:
    """By how many steps each key lies before each query. (b, b + 2 half)"""
    query = torch.arange(block, device=like.device)
    key = torch.arange(block + 2 * half, device=like.device) - half
    return query[:, None] - key


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
        bias: From :func:`attention_bias` with the same mask and window (and heads, if causal).
        num_heads: Number of heads; divides C.
        window_size: Odd number of steps, or None for full attention.
        dropout: Probability of dropping an attention weight.

    Returns:
        (N, T, C). Steps at which the mask is False hold no meaningful value.
    """
    num_videos, num_steps, channels = query.shape
    head_dim = channels // num_heads
    if window_size is None:
        split = (num_videos, num_steps, num_heads, head_dim)
        query, key, value = (x.view(split).transpose(1, 2) for x in (query, key, value))
        out = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), dropout)
        return out.transpose(1, 2).reshape(num_videos, num_steps, channels)

    half = window_size // 2
    eager = query.device.type == 'cpu' and not is_recorded()
    if eager and query.dtype in (torch.float32, torch.float64) and not dropout:
        return _WindowedAttention.apply(query, key, value, bias, num_heads, half)
    return _attend_in_windows(query, key, value, bias, num_heads, half, dropout)


def _block_size(half: int, like: Tensor) -> int:
    """Queries a block; half a window must not reach past the next block."""
    return max(half, BLOCK if like.device.type == 'cpu' else GPU_BLOCK)


def _cut(x: Tensor, block: int) -> Tensor:
    """(N, T, C) -> (N, B, b, C): blocks of b steps, zero behind the end."""
    return F.pad(x, (0, 0, 0, -x.size(1) % block)).unflatten(1, (-1, block))


def _widen(own: Tensor, half: int) -> Tensor:
    """(N, B, b, C) -> (N, B, b + 2 half, C): each block with the steps around it, zero beyond."""
    block = own.size(2)
    before = F.pad(own[:, :-1, block - half :], (0, 0, 0, 0, 1, 0))
    after = F.pad(own[:, 1:, :half], (0, 0, 0, 0, 0, 1))
    return torch.cat([before, own, after], dim=2)


def _attend_in_windows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor,
    num_heads: int,
    half: int,
    dropout: float,
) -> Tensor:
    """Windowed attention by torch's own kernel, for all devices and types."""
    num_videos, num_steps, channels = query.shape
    block = _block_size(half, query)

    def to_heads(x: Tensor) -> Tensor:  # (N, B, b, C) -> (N * B, heads, b, d)
        return x.flatten(0, 1).unflatten(-1, (num_heads, -1)).transpose(1, 2)

    key, value = (to_heads(_widen(_cut(x, block), half)) for x in (key, value))
    query = to_heads(_cut(query, block))
    out = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), dropout)
    # (N * B, heads, b, d) -> (N, B * b, C)
    out = out.transpose(1, 2).reshape(num_videos, -1, channels)
    return out[:, :num_steps]


class _WindowedAttention(torch.autograd.Function):
    """:func:`_attend_in_windows` in plain matrix products, which are faster on a CPU.

    Every tensor is copied once, into blocks that lie head by head in memory; the gradients of
    overlapping windows are added up in place.
    """

    @staticmethod
    def forward(
        ctx, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, num_heads: int, half: int
    ) -> Tensor:
        ctx.num_videos, ctx.num_steps, _ = query.shape
        ctx.half, ctx.num_heads, ctx.scale = half, num_heads, (query.size(-1) // num_heads) ** -0.5
        query = _to_blocks(query, num_heads, half, 0)
        key, value = (_to_blocks(x, num_heads, half, half) for x in (key, value))
        query, key, value = (x.flatten(0, 2) for x in (query, key, value))  # (N * B * heads, ., d)
        scores = torch.bmm(query.mul_(ctx.scale), key.transpose(1, 2))
        scores.unflatten(0, (-1, num_heads)).add_(bias)
        weights = scores.softmax(-1)
        ctx.save_for_backward(query, key, value, weights)
        return _WindowedAttention._from_blocks(ctx, torch.bmm(weights, value), 0)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights = ctx.saved_tensors
        grad = _to_blocks(grad, ctx.num_heads, ctx.half, 0).flatten(0, 2)
        grad_value = torch.bmm(weights.transpose(1, 2), grad)
        grad_weights = torch.bmm(grad, value.transpose(1, 2)).mul_(weights)
        grad_scores = grad_weights.addcmul_(weights, grad_weights.sum(-1, keepdim=True), value=-1)
        grad_query = torch.bmm(grad_scores, key).mul_(ctx.scale)
        grad_key = torch.bmm(grad_scores.transpose(1, 2), query)
        return (
            _WindowedAttention._from_blocks(ctx, grad_query, 0),
            _WindowedAttention._from_blocks(ctx, grad_key, ctx.half),
            _WindowedAttention._from_blocks(ctx, grad_value, ctx.half),
            None,
            None,
            None,
        )

    @staticmethod
    def _from_blocks(ctx, x: Tensor, reach: int) -> Tensor:
        """Undo :func:`_to_blocks`, adding up where blocks overlap. -> (N, T, C)"""
        x = x.view(ctx.num_videos, -1, ctx.num_heads, *x.shape[1:])  # (N, B, heads, b + 2 reach, d)
        own = x[:, :, :, reach : x.size(3) - reach]
        if reach:
            own[:, :-1, :, -reach:] += x[:, 1:, :, :reach]
            own[:, 1:, :, :reach] += x[:, :-1, :, -reach:]
        return own.transpose(2, 3).flatten(3).flatten(1, 2)[:, : ctx.num_steps]


def _to_blocks(x: Tensor, num_heads: int, half: int, reach: int) -> Tensor:
    """(N, T, C) -> (N, B, heads, b + 2 reach, d): blocks that see ``reach`` steps around them."""
    num_videos, num_steps, _ = x.shape
    block = _block_size(half, x)
    whole = num_steps // block
    num_blocks = -(-num_steps // block)
    x = x.unflatten(-1, (num_heads, -1))
    out = x.new_empty(num_videos, num_blocks, num_heads, block + 2 * reach, x.size(-1))
    own = out[:, :, :, reach : reach + block]
    own[:, :whole] = x[:, : whole * block].unflatten(1, (whole, block)).transpose(2, 3)
    if whole < num_blocks:
        own[:, whole, :, : num_steps - whole * block] = x[:, whole * block :].transpose(1, 2)
        own[:, whole, :, num_steps - whole * block :] = 0
    if reach:
        out[:, 0, :, :reach] = out[:, -1, :, reach + block :] = 0
        out[:, 1:, :, :reach] = own[:, :-1, :, block - reach :]
        out[:, :-1, :, reach + block :] = own[:, 1:, :, :reach]
    return out
