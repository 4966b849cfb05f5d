"""Loss of the instance-level evaluators."""

from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.models.losses.utils import check_reduction, weight_reduce_loss


@MODELS.register_module()
class QualityMSELoss(nn.Module):
    """L_s = MSE_cls + MSE_loc (eq. 7): the squared error, summed over the two qualities.

    Args:
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        loss_weight: Factor of the loss.
    """

    def __init__(self, *, reduction: str = 'mean', loss_weight: float = 1.0) -> None:
        super().__init__()
        self.reduction = check_reduction(reduction)
        self.loss_weight = loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
    ) -> Tensor:
        """(..., 2) qualities in [0, 1]; ``target`` gets no gradient."""
        loss = (pred - target.detach()) ** 2
        return self.loss_weight * weight_reduce_loss(loss, weight, self.reduction, avg_factor)
