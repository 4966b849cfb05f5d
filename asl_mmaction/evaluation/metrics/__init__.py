from asl_mmaction.evaluation.metrics.tal_metric import TALMetric

__all__ = ['TALMetric']
