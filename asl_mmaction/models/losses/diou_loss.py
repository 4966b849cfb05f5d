"""Distance-IoU loss of segments."""

from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.models.losses.utils import check_reduction, weight_reduce_loss


def segment_diou_loss(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    """Element-wise ``1 - tIoU + (distance of centres / hull)**2`` (Zheng et al., AAAI 2020).

    Args:
        pred: (..., 2), any unit.
        target: (..., 2), same unit.
        eps: Least length of union and hull, in that unit.

    Returns:
        (...) float32, in [0, 2].
    """
    start, end = pred.float().unbind(-1)
    target_start, target_end = target.float().unbind(-1)
    inter = (end.minimum(target_end) - start.maximum(target_start)).clamp(min=0)
    union = (end - start) + (target_end - target_start) - inter
    hull = (end.maximum(target_end) - start.minimum(target_start)).clamp(min=eps)
    distance = 0.5 * (start + end - target_start - target_end)
    return 1 - inter / union.clamp(min=eps) + (distance / hull) ** 2


@MODELS.register_module()
class SegmentDIoULoss(nn.Module):
    """Module of :func:`segment_diou_loss`.

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
        """(..., 2) segments in one unit; ``weight`` (...)."""
        loss = segment_diou_loss(pred, target)
        return self.loss_weight * weight_reduce_loss(loss, weight, self.reduction, avg_factor)
