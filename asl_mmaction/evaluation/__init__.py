from asl_mmaction.evaluation.metrics import AverageRecallMetric, TALMetric

__all__ = ['AverageRecallMetric', 'TALMetric']
