from asl_mmaction.models.localizers.base_localizer import BaseLocalizer, HeadLocalizer
from asl_mmaction.models.localizers.dense_localizer import DenseLocalizer
from asl_mmaction.models.localizers.sliding_window_localizer import SlidingWindowLocalizer
from asl_mmaction.models.localizers.weak_localizer import WeakLocalizer

__all__ = [
    'BaseLocalizer',
    'DenseLocalizer',
    'HeadLocalizer',
    'SlidingWindowLocalizer',
    'WeakLocalizer',
]
