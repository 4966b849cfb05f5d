from asl_mmaction.evaluation.functional.average_precision import (
    AveragePrecision,
    average_precision,
    grouped_average_precision,
)
from asl_mmaction.evaluation.functional.instances import Instances
from asl_mmaction.evaluation.functional.joint_detections import join_detections
from asl_mmaction.evaluation.functional.recall import (
    AverageRecall,
    average_recall,
    recall_at_multiples,
)

__all__ = [
    'AveragePrecision',
    'AverageRecall',
    'Instances',
    'average_precision',
    'average_recall',
    'grouped_average_precision',
    'join_detections',
    'recall_at_multiples',
]
