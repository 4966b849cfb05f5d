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
        weight = self.weight.permute(2, 0, 1).flatten(0, 1)  # (k * C_out, C_in)
        products = F.linear(x, weight).unflatten(-1, (self.weight.size(2), -1))
        taps = taps.to(products.dtype)
        if is_recorded():
            around = F.pad(products, (0, 0, 0, 0, self.kernel_size // 2, self.kernel_size // 2))
            moved = [around.narrow(1, tap, x.size(1))[:, :, tap] for tap in range(self.kernel_size)]
            return (torch.stack(moved, dim=2) * taps[..., None]).sum(-2)
        if taps.dim() == 3:
            return _WeighTaps.apply(products, taps[None])[0]
        return _WeighTaps.apply(products, taps)


class _WeighTaps(torch.autograd.Function):
    """Sum of the products of all taps, each moved to the step that it is for, and weighed.

    Of M weightings of one set of products only the products are kept for the backward pass.
    """

    @staticmethod
    def forward(ctx, products: Tensor, taps: Tensor) -> Tensor:
        """(N, T, k, C), (M, N, T, k) -> (M, N, T, C)."""
        ctx.save_for_backward(products, taps)
        num_taps = taps.size(-1)
        out = products[:, :, num_taps // 2] * taps[..., num_taps // 2, None]
        for tap, to, given in _moves(num_taps):
            out[:, :, to] += products[:, given, tap] * taps[:, :, to, tap, None]
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        products, taps = ctx.saved_tensors
        num_taps = taps.size(-1)
        moves = [(num_taps // 2, slice(None), slice(None)), *_moves(num_taps)]
        grad_products = grad_taps = None
        if ctx.needs_input_grad[0]:
            grad_products = torch.zeros_like(products)
            for tap, to, given in moves:
                for some, weights in zip(grad, taps, strict=True):
                    target = grad_products[:, given, tap]
                    target.addcmul_(some[:, to], weights[:, to, tap, None])
        if ctx.needs_input_grad[1]:
            grad_taps = torch.zeros_like(taps)
            for tap, to, given in moves:
                grad_taps[:, :, to, tap] = (grad[:, :, to] * products[:, given, tap]).sum(-1)
        return grad_products, grad_taps


def _moves(num_taps: int) -> list[tuple[int, slice, slice]]:
    """For each tap beside the middle one: the steps that get, and those that give."""
    moves = []
    for tap in range(num_taps):
        ahead = tap - num_taps // 2
        if ahead:
            early, late = slice(None, -abs(ahead)), slice(abs(ahead), None)
            moves.append((tap, early, late) if ahead > 0 else (tap, late, early))
    return moves
