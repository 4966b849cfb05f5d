"""Loss of the instance-level evaluators."""

from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.models.losses.utils import ElementwiseLoss


@MODELS.register_module()
class QualityMSELoss(ElementwiseLoss):
    """L_s = MSE_cls + MSE_loc (eq. 7): the squared error, summed over the two qualities."""

    def elements(self, pred: Tensor, target: Tensor) -> Tensor:
        """(..., 2) qualities in [0, 1] -> (..., 2); ``target`` gets no gradient."""
        return (pred - target.detach()) ** 2
