from asl_mmaction.models.necks.base_pyramid import BasePyramid
from asl_mmaction.models.necks.sgp_pyramid import SGPPyramid
from asl_mmaction.models.necks.transformer_pyramid import TransformerPyramid

__all__ = ['BasePyramid', 'SGPPyramid', 'TransformerPyramid']
