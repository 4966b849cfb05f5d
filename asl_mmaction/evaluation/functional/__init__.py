from asl_mmaction.evaluation.functional.average_precision import (
    AveragePrecision,
    Matches,
    average_precision,
    grouped_average_precision,
    match_detections,
)
from asl_mmaction.evaluation.functional.bootstrap import draw_recordings, resampled_mean_ap
from asl_mmaction.evaluation.functional.diagnosis import (
    ERRORS,
    KINDS,
    Diagnosis,
    GroupDiagnosis,
    diagnose,
    diagnose_groups,
)
from asl_mmaction.evaluation.functional.instances import Instances
from asl_mmaction.evaluation.functional.joint_detections import join_detections
from asl_mmaction.evaluation.functional.recall import (
    AverageRecall,
    average_recall,
    recall_at_multiples,
)
from asl_mmaction.evaluation.functional.verdicts import with_matches

__all__ = [
    'ERRORS',
    'KINDS',
    'AveragePrecision',
    'AverageRecall',
    'Diagnosis',
    'GroupDiagnosis',
    'Instances',
    'Matches',
    'average_precision',
    'average_recall',
    'diagnose',
    'diagnose_groups',
    'draw_recordings',
    'grouped_average_precision',
    'join_detections',
    'match_detections',
    'recall_at_multiples',
    'resampled_mean_ap',
    'with_matches',
]
