"""Sigmoid focal loss on dense class targets."""

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.models.losses.utils import ElementwiseLoss, check_focusing
from asl_mmaction.ops.precision import at_least_float32


def sigmoid_focal_loss(
    pred: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Element-wise sigmoid focal loss (Lin et al., ICCV 2017).

    Args:
        pred: Logits, any shape.
        target: Same shape, in [0, 1]; soft targets are allowed.
        alpha: Weight of positives, ``1 - alpha`` of negatives; negative = no such weight.
        gamma: Focusing exponent; 0 = binary cross-entropy.

    Returns:
        float32 (float64 of float64), same shape.
    """
    pred, target = at_least_float32(pred), at_least_float32(target)
    cross_entropy = F.binary_cross_entropy_with_logits(pred, target, reduction='none')
    probability = pred.sigmoid()
    miss = probability + target - 2 * probability * target  # 1 - probability of the target
    loss = cross_entropy * miss**gamma
    if alpha >= 0:
        loss = loss * (alpha * target + (1 - alpha) * (1 - target))
    return loss


@MODELS.register_module()
class SigmoidFocalLoss(ElementwiseLoss):
    """Module of :func:`sigmoid_focal_loss`.

    Args:
        alpha: Weight of positives.
        gamma: Focusing exponent, 0 or >= 1.
        label_smoothing: Targets become ``y * (1 - s) + s / (K + 1)``.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.25,
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction=reduction, loss_weight=loss_weight)
        self.alpha = alpha
        self.gamma = check_focusing(gamma)
        self.label_smoothing = label_smoothing

    def elements(self, pred: Tensor, target: Tensor) -> Tensor:
        """(..., K) logits and targets -> (..., K)."""
        if self.label_smoothing:
            smooth = self.label_smoothing
            target = at_least_float32(target) * (1 - smooth) + smooth / (target.size(-1) + 1)
        return sigmoid_focal_loss(pred, target, self.alpha, self.gamma)
