"""Sigmoid focal loss on dense class targets."""

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.models.losses.utils import check_reduction, weight_reduce_loss


def sigmoid_focal_loss(
    logits: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Element-wise sigmoid focal loss (Lin et al., ICCV 2017).

    Args:
        logits: Any shape.
        targets: Same shape, in [0, 1]; soft targets are allowed.
        alpha: Weight of positives, ``1 - alpha`` of negatives; negative = no such weight.
        gamma: Focusing exponent; 0 = binary cross-entropy.

    Returns:
        float32, same shape.
    """
    logits, targets = logits.float(), targets.float()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction='none')
    probability = logits.sigmoid()
    miss = probability + targets - 2 * probability * targets  # 1 - probability of the target
    loss = cross_entropy * miss**gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return loss


@MODELS.register_module()
class SigmoidFocalLoss(nn.Module):
    """Module of :func:`sigmoid_focal_loss`.

    Args:
        alpha: Weight of positives.
        gamma: Focusing exponent.
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
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        self.reduction = check_reduction(reduction)
        self.loss_weight = loss_weight

    def forward(
        self,
        logits: Tensor,
        targets: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
    ) -> Tensor:
        """(..., K) logits and targets; ``weight`` broadcasts with them."""
        if self.label_smoothing:
            smooth = self.label_smoothing
            targets = targets * (1 - smooth) + smooth / (targets.size(-1) + 1)
        loss = sigmoid_focal_loss(logits, targets, self.alpha, self.gamma)
        return self.loss_weight * weight_reduce_loss(loss, weight, self.reduction, avg_factor)
