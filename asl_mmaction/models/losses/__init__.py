from asl_mmaction.models.losses.action_sensitive_contrastive_loss import (
    ActionSensitiveContrastiveLoss,
    contrastive_loss,
)
from asl_mmaction.models.losses.affinity_loss import AffinityLoss, affinity_terms
from asl_mmaction.models.losses.click_loss import ClickLoss, click_loss
from asl_mmaction.models.losses.diou_loss import SegmentDIoULoss, segment_diou_loss
from asl_mmaction.models.losses.focal_loss import SigmoidFocalLoss, sigmoid_focal_loss
from asl_mmaction.models.losses.quality_mse_loss import QualityMSELoss
from asl_mmaction.models.losses.score_separation_loss import (
    ScoreSeparationLoss,
    score_separation_loss,
)
from asl_mmaction.models.losses.topk_mil_loss import TopKMILLoss, topk_mil_loss
from asl_mmaction.models.losses.utils import weight_reduce_loss
from asl_mmaction.models.losses.varifocal_loss import VarifocalLoss, varifocal_loss

__all__ = [
    'ActionSensitiveContrastiveLoss',
    'AffinityLoss',
    'ClickLoss',
    'QualityMSELoss',
    'ScoreSeparationLoss',
    'SegmentDIoULoss',
    'SigmoidFocalLoss',
    'TopKMILLoss',
    'VarifocalLoss',
    'affinity_terms',
    'click_loss',
    'contrastive_loss',
    'score_separation_loss',
    'segment_diou_loss',
    'sigmoid_focal_loss',
    'topk_mil_loss',
    'varifocal_loss',
    'weight_reduce_loss',
]
