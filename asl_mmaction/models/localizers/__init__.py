from asl_mmaction.models.localizers.dense_localizer import DenseLocalizer

__all__ = ['DenseLocalizer']
