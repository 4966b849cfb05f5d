"""Points: the locations of all pyramid levels as named columns."""

from typing import NamedTuple

from torch import Tensor


class Points(NamedTuple):
    """The points of all levels, concatenated from fine to coarse.

    Attributes:
        centers: (P,) float, position on the grid (level-0 steps).
        strides: (P,) float, stride of the point's level in grid steps.
        regress_ranges: (P, 2) float, half-open range ``[low, high)`` in grid steps of the larger of
            the two distances (to start, to end) for which the point's level is responsible.
        levels: (P,) int64, index of the level.
    """

    centers: Tensor
    strides: Tensor
    regress_ranges: Tensor
    levels: Tensor
