"""Convolution whose taps are weighed by how alike a step and its neighbours are (BackTAL)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers.masked_conv import MaskedConv1d
from asl_mmaction.ops.recording import is_recorded

NORMALIZATIONS = ('none', 'softmax')


class StepEmbedding(nn.Module):
    """Two masked convolutions to a short vector of length 1 for every step.

    Args:
        in_channels: Width of the features.
        hidden_channels: Width between the convolutions.
        channels: Width E of the embedding.
        kernel_size: Odd kernel size.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 512,
        channels: int = 32,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        self.hidden = MaskedConv1d(in_channels, hidden_channels, kernel_size)
        self.out = MaskedConv1d(hidden_channels, channels, kernel_size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(N, T, C) zero on padding, (N, T) -> (N, T, E) of length 1, zero on padding."""
        return F.normalize(self.out(F.leaky_relu(self.hidden(x, mask)), mask), dim=-1)


def neighbors(values: Tensor, num_taps: int) -> Tensor:
    """Values of the steps around each step; 0 from outside.

    Args:
        values: (N, T, C).
        num_taps: Odd number k.

    Returns:
        (N, T, k, C); tap ``i`` is step ``t + i - k // 2``.
    """
    around = F.pad(values, (0, 0, num_taps // 2, num_taps // 2))
    return torch.stack([around.narrow(1, tap, values.size(1)) for tap in range(num_taps)], dim=2)


def neighbor_mask(mask: Tensor, num_taps: int) -> Tensor:
    """(N, T) -> (N, T, k) bool: where a step and its neighbour are both valid."""
    return neighbors(mask[..., None], num_taps)[..., 0] & mask[..., None]


def local_affinity(
    embeddings: Tensor, mask: Tensor, num_taps: int = 3, normalize: str = 'none'
) -> Tensor:
    """How alike each step and its neighbours are.

    ``A[t, i] = cos(e[t], e[t + i - k // 2])``, in [-1, 1], 1 for the step itself. The rows do not
    sum to 1 unless ``normalize`` says so.

    Args:
        embeddings: (N, T, E) of length 1, zero on padding.
        mask: (N, T) bool.
        num_taps: Odd number k of steps, the step itself in the middle.
        normalize: ``'none'``, or ``'softmax'`` over the taps that lie in the video.

    Returns:
        (N, T, k); 0 outside of the video, and on padding.
    """
    inside = neighbor_mask(mask, num_taps)
    affinity = (neighbors(embeddings, num_taps) * embeddings.unsqueeze(2)).sum(-1)
    middle = torch.arange(num_taps, device=mask.device) == num_taps // 2
    affinity = torch.where(middle, 1.0, affinity)
    if normalize == 'softmax':
        # A row of padding has no tap: it goes through the softmax with all of them.
        allowed = inside | ~mask[..., None]
        affinity = affinity.masked_fill(~allowed, -torch.inf).softmax(dim=-1)
    return torch.where(inside, affinity, 0.0)


class LocalAffinity(nn.Module):
    """Embeds the steps, and tells how alike neighbours are in it (:func:`local_affinity`).

    Args:
        in_channels: Width of the features.
        num_taps: Odd number of steps that are compared.
        normalize: ``'none'``, as the paper has it, or ``'softmax'``.
        **kwargs: Of :class:`StepEmbedding`.

    Raises:
        ValueError: ``normalize`` is unknown.
    """

    def __init__(
        self, in_channels: int, *, num_taps: int = 3, normalize: str = 'none', **kwargs
    ) -> None:
        super().__init__()
        if normalize not in NORMALIZATIONS:
            raise ValueMistake(
                f'expected normalize to be one of {NORMALIZATIONS} but got {normalize!r}'
            )
        self.embedding = StepEmbedding(in_channels, **kwargs)
        self.num_taps = num_taps
        self.normalize = normalize

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, C), (N, T) -> embeddings (N, T, E) and affinity (N, T, k)."""
        embeddings = self.embedding(x, mask)
        return embeddings, local_affinity(embeddings, mask, self.num_taps, self.normalize)


class AffinityConv1d(nn.Module):
    """1-D convolution without bias that weighs every tap at every step.

    ``out[t] = sum_i taps[t, i] W_i x[t + i - k // 2]``. Taps of 1 inside the video
    (:func:`neighbor_mask`) make it a plain convolution with "same" padding.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd kernel size k.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueMistake(f'expected kernel_size to be odd but got {kernel_size}')
        self.kernel_size = kernel_size
        # (out, in, k), with the start of a convolution
        self.weight = nn.Conv1d(in_channels, out_channels, kernel_size, bias=False).weight

    def forward(self, x: Tensor, taps: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (N, T, C_in), zero on padding.
            taps: (N, T, k), 0 outside of the video and on padding; or (M, N, T, k), M weightings
                of the same features, which share the matrix products.

        Returns:
            (N, T, C_out), or (M, N, T, C_out); zero on padding.
        """
        weight = self.weight.permute(2, 0, 1)  # (k, C_out, C_in)
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x, weight = x.to(dtype), weight.to(dtype)
        taps = taps.to(x.dtype)
        if not is_recorded():
            return _WeighedConv.apply(x, weight, taps)
        reach = self.kernel_size // 2
        around = F.pad(x, (0, 0, reach, reach))
        products = [
            F.linear(around.narrow(1, tap, x.size(1)), each) * taps[..., tap, None]
            for tap, each in enumerate(weight)
        ]
        return torch.stack(products).sum(0)


class _WeighedConv(torch.autograd.Function):
    """The sum of :class:`AffinityConv1d`, tap by tap; M weightings of one x share the products.

    Nothing that it makes is kept for the backward pass: as ``g . (W x) = (W^T g) . x``, the
    gradient of a tap needs no product.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, taps: Tensor) -> Tensor:
        """(N, T, C_in), (k, C_out, C_in), (M, N, T, k) or (N, T, k) -> (..., N, T, C_out)."""
        ctx.save_for_backward(x, weight, taps)
        out = x.new_zeros(*taps.shape[:-1], weight.size(1))
        for tap, to, given in _moves(len(weight)):
            products = F.linear(x, weight[tap])[:, given]
            for each, weights in zip(_weightings(out), _weightings(taps), strict=True):
                each[:, to].addcmul_(products, weights[:, to, tap, None])
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, taps = ctx.saved_tensors
        grad_x, grad_weight, grad_taps = (
            each.new_zeros(each.shape) if needed else None
            for each, needed in zip((x, weight, taps), ctx.needs_input_grad, strict=True)
        )
        for tap, to, given in _moves(len(weight)):
            moved = x.new_zeros(*x.shape[:2], weight.size(1))  # the gradient of the products
            for m, (some, weights) in enumerate(
                zip(_weightings(grad), _weightings(taps), strict=True)
            ):
                scale = weights[:, to, tap, None]
                if grad_weight is not None:
                    moved[:, given].addcmul_(some[:, to], scale)
                if grad_x is None and grad_taps is None:
                    continue
                back = (some @ weight[tap])[:, to]
                if grad_x is not None:
                    grad_x[:, given].addcmul_(back, scale)
                if grad_taps is not None:
                    _weightings(grad_taps)[m][:, to, tap] = back.mul_(x[:, given]).sum(-1)
            if grad_weight is not None:
                grad_weight[tap] = moved.flatten(0, 1).T @ x.flatten(0, 1)
        return grad_x, grad_weight, grad_taps


def _weightings(values: Tensor) -> Tensor:
    """(M, N, T, C) as it is, (N, T, C) as one of M."""
    return values if values.dim() == 4 else values[None]


def _moves(num_taps: int) -> list[tuple[int, slice, slice]]:
    """For each tap: the steps that get, and those that give."""
    moves = []
    for tap in range(num_taps):
        ahead = tap - num_taps // 2
        early, late = slice(None, -abs(ahead) or None), slice(abs(ahead), None)
        moves.append((tap, early, late) if ahead > 0 else (tap, late, early))
    return moves
