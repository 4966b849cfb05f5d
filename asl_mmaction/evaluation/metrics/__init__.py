from asl_mmaction.evaluation.metrics.average_recall_metric import AverageRecallMetric
from asl_mmaction.evaluation.metrics.tal_metric import TALMetric

__all__ = ['AverageRecallMetric', 'TALMetric']
