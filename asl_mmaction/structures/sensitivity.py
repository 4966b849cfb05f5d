"""Per-point weights of the two sub-tasks, and what is learned of their quality."""

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


class QualityTargets(NamedTuple):
    """What the instance evaluators have to predict (eq. 7); no gradient.

    Where each class of a point has its own ground truth, ``*`` is (N, P, K), else (N, P).

    Attributes:
        values: ``(*, 2)`` in [0, 1]: score of the class, tIoU of the predicted segment with its
            ground truth.
        weights: (*) float >= 0, what the error of a point counts.
        avg_factor: What the sum of the weighted errors is divided by, a process.
    """

    values: Tensor
    weights: Tensor
    avg_factor: Tensor
