from asl_mmaction.evaluation.metrics import AverageRecallMetric, TALMetric
from asl_mmaction.evaluation.video_score_fusion import VideoScoreFusion

__all__ = ['AverageRecallMetric', 'TALMetric', 'VideoScoreFusion']
