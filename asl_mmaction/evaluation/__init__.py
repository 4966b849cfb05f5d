from asl_mmaction.evaluation.metrics import TALMetric

__all__ = ['TALMetric']
