"""Varifocal loss: scores learn how well the segment fits, and not only which class it is."""

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.losses.utils import ElementwiseLoss, check_focusing
from asl_mmaction.ops.precision import at_least_float32


def varifocal_loss(pred: Tensor, target: Tensor, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Element-wise varifocal loss (Zhang et al., CVPR 2021, eq. 2).

    A positive costs its binary cross-entropy times its target, so that segments that fit well count
    more; a negative costs ``alpha * p ** gamma`` times its own.

    Args:
        pred: Logits, any shape.
        target: Same shape, in [0, 1]: how well the segment fits; 0 = negative.
        alpha: Weight of negatives.
        gamma: Focusing exponent of negatives.

    Returns:
        float32 (float64 of float64), same shape.
    """
    pred, target = at_least_float32(pred), at_least_float32(target)
    cross_entropy = F.binary_cross_entropy_with_logits(pred, target, reduction='none')
    weight = torch.where(target > 0, target, alpha * pred.sigmoid() ** gamma)
    return cross_entropy * weight


@MODELS.register_module()
class VarifocalLoss(ElementwiseLoss):
    """Module of :func:`varifocal_loss`.

    Args:
        alpha: Weight of negatives.
        gamma: Focusing exponent of negatives, 0 or >= 1.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.75,
        gamma: float = 2.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction=reduction, loss_weight=loss_weight)
        if not alpha >= 0:
            raise ValueMistake(f'expected alpha >= 0 but got {alpha}')
        self.alpha = alpha
        self.gamma = check_focusing(gamma)

    def elements(self, pred: Tensor, target: Tensor) -> Tensor:
        """(..., K) logits and targets -> (..., K)."""
        return varifocal_loss(pred, target, self.alpha, self.gamma)
