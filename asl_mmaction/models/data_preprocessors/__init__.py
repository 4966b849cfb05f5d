from asl_mmaction.models.data_preprocessors.feature_preprocessor import FeaturePreprocessor

__all__ = ['FeaturePreprocessor']
