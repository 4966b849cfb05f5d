from asl_mmaction.evaluation.functional.average_precision import (
    AveragePrecision,
    Instances,
    average_precision,
)

__all__ = ['AveragePrecision', 'Instances', 'average_precision']
