"""All pyramid levels in one sequence, so that a tower shared by the levels runs once."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class PackedPyramid(NamedTuple):
    """Levels laid end to end with ``gap`` masked steps between neighbours.

    The gap stays zero through every masked convolution whose padding it covers; so each level sees
    the same zeros at its ends as it would alone.

    An odd total is rounded up by one more masked step, as convolutions like even lengths.

    Attributes:
        feats: (N, P', C), zero on padding and in the gaps; P' = P + (L - 1) * gap, rounded up.
        mask: (N, P') bool.
        lengths: Steps of each level.
        gap: Masked steps between two levels.
    """

    feats: Tensor
    mask: Tensor
    lengths: tuple[int, ...]
    gap: int

    def unpack(self, x: Tensor) -> Tensor:
        """Drop the gaps: (N, P', ...) -> (N, P, ...)."""
        starts = [0, *itertools.accumulate(length + self.gap for length in self.lengths)]
        parts = [x.narrow(1, *part) for part in zip(starts, self.lengths, strict=False)]
        return torch.cat(parts, dim=1)


def pack_pyramid(
    feats: Sequence[Tensor], masks: Sequence[Tensor], kernel_size: int = 3
) -> PackedPyramid:
    """Pack L levels for convolutions of at most ``kernel_size``.

    Args:
        feats: L tensors (N, T_l, C), zero on padding.
        masks: L tensors (N, T_l) bool.
        kernel_size: Largest kernel that will run on the packed sequence.
    """
    gap = kernel_size // 2
    zeros = feats[0].new_zeros(feats[0].size(0), gap, feats[0].size(2))
    hidden = masks[0].new_zeros(masks[0].size(0), gap)
    parts, mask_parts = [feats[0]], [masks[0]]
    for feat, mask in zip(feats[1:], masks[1:], strict=True):
        parts += [zeros, feat]
        mask_parts += [hidden, mask]
    lengths = tuple(mask.size(1) for mask in masks)
    if (sum(lengths) + (len(lengths) - 1) * gap) % 2:
        parts.append(feats[0].new_zeros(feats[0].size(0), 1, feats[0].size(2)))
        mask_parts.append(masks[0].new_zeros(masks[0].size(0), 1))
    return PackedPyramid(torch.cat(parts, 1), torch.cat(mask_parts, 1), lengths, gap)
