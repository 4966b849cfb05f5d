"""Per-point weights of the two sub-tasks."""

from typing import NamedTuple

from torch import Tensor


class Sensitivity(NamedTuple):
    """Action sensitivity of every point: the weights of its losses (eq. 8-10).

    Where each class of a point has its own ground truth, ``*`` is (N, P, K), else (N, P).

    Attributes:
        cls: (*) float >= 0, weight of the classification loss; 1 on background. A class that a
            point with actions is not positive for weighs as much as those actions on average.
        loc: (*) float >= 0, weight of the localization loss; 1 on background.
        quality: (N, P, 2) float in [0, 1], what the instance evaluators predict (q_cls, q_loc), or
            None without the instance level.
    """

    cls: Tensor
    loc: Tensor
    quality: Tensor | None = None
