"""Multiple-instance learning: the highest steps of a video have to show its classes."""

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.ops.precision import at_least_float32


def topk_mil_loss(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each video against the classes that occur in it, shared evenly.

    Args:
        scores: (N, C) logits of videos, the mean of the k highest steps of each class.
        targets: (N, C) >= 0, such as 1 for every class that occurs.

    Returns:
        (N,) float32 (float64 of float64); 0 for a video without any target.
    """
    targets = at_least_float32(targets)
    total = targets.sum(-1, keepdim=True)
    shares = targets / total.masked_fill(total == 0, 1)
    return -(shares * F.log_softmax(at_least_float32(scores), dim=-1)).sum(-1)


@MODELS.register_module()
class TopKMILLoss(nn.Module):
    """Mean over videos of :func:`topk_mil_loss`.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """(N, C) logits and targets -> scalar."""
        return self.loss_weight * topk_mil_loss(scores, targets).mean()
