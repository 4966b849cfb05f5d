from asl_mmaction.models.data_preprocessors.feature_preprocessor import FeaturePreprocessor
from asl_mmaction.models.data_preprocessors.weak_preprocessor import WeakPreprocessor

__all__ = ['FeaturePreprocessor', 'WeakPreprocessor']
