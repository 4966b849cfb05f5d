"""Distance-IoU loss of segments."""

from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.models.losses.utils import ElementwiseLoss
from asl_mmaction.ops.precision import at_least_float32


def segment_diou_loss(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    """Element-wise ``1 - tIoU + (distance of centres / hull)**2`` (Zheng et al., AAAI 2020).

    Args:
        pred: (..., 2), any unit.
        target: (..., 2), same unit.
        eps: Least length of union and hull, in that unit.

    Returns:
        (...) float32 (float64 of float64), in [0, 2].
    """
    start, end = at_least_float32(pred).unbind(-1)
    target_start, target_end = at_least_float32(target).unbind(-1)
    inter = (end.minimum(target_end) - start.maximum(target_start)).clamp(min=0)
    union = (end - start) + (target_end - target_start) - inter
    hull = (end.maximum(target_end) - start.minimum(target_start)).clamp(min=eps)
    distance = 0.5 * (start + end - target_start - target_end)
    return 1 - inter / union.clamp(min=eps) + (distance / hull) ** 2


@MODELS.register_module()
class SegmentDIoULoss(ElementwiseLoss):
    """Module of :func:`segment_diou_loss`."""

    def elements(self, pred: Tensor, target: Tensor) -> Tensor:
        """(..., 2) segments in one unit -> (...)."""
        return segment_diou_loss(pred, target)
