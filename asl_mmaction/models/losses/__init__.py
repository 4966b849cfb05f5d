from asl_mmaction.models.losses.action_sensitive_contrastive_loss import (
    ActionSensitiveContrastiveLoss,
    contrastive_loss,
)
from asl_mmaction.models.losses.diou_loss import SegmentDIoULoss, segment_diou_loss
from asl_mmaction.models.losses.focal_loss import SigmoidFocalLoss, sigmoid_focal_loss
from asl_mmaction.models.losses.quality_mse_loss import QualityMSELoss
from asl_mmaction.models.losses.utils import weight_reduce_loss

__all__ = [
    'ActionSensitiveContrastiveLoss',
    'QualityMSELoss',
    'SegmentDIoULoss',
    'SigmoidFocalLoss',
    'contrastive_loss',
    'segment_diou_loss',
    'sigmoid_focal_loss',
    'weight_reduce_loss',
]
