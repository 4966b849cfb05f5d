"""Distance-IoU loss of segments."""

import torch
from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.models.losses.utils import ElementwiseLoss
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.segments import paired_tiou, segment_centers


def segment_diou_loss(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    """Element-wise ``1 - tIoU + (distance of centres / hull)**2`` (Zheng et al., AAAI 2020).

    Args:
        pred: (..., 2), any unit.
        target: (..., 2), same unit.
        eps: Least length of the hull, in that unit.

    Returns:
        (...) float32 (float64 of float64), in [0, 2].
    """
    pred, target = at_least_float32(pred), at_least_float32(target)
    start, end = torch.minimum(pred, target)[..., 0], torch.maximum(pred, target)[..., 1]
    distance = segment_centers(pred) - segment_centers(target)
    return 1 - paired_tiou(pred, target) + (distance / (end - start).clamp(min=eps)) ** 2


@MODELS.register_module()
class SegmentDIoULoss(ElementwiseLoss):
    """Module of :func:`segment_diou_loss`."""

    def elements(self, pred: Tensor, target: Tensor) -> Tensor:
        """(..., 2) segments in one unit -> (...)."""
        return segment_diou_loss(pred, target)
