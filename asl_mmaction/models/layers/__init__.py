from asl_mmaction.models.layers.attention import ChannelAttention, TemporalAttention
from asl_mmaction.models.layers.clamp import clamp_into_range
from asl_mmaction.models.layers.masked_conv import MaskedConv1d, MaskedConvTower
from asl_mmaction.models.layers.packed_pyramid import PackedPyramid, pack_pyramid
from asl_mmaction.models.layers.sgp_block import MaskedGroupNorm, SGPBlock
from asl_mmaction.models.layers.transformer_block import (
    ScaledDropPath,
    TransformerBlock,
    masked_max_pool,
)

__all__ = [
    'ChannelAttention',
    'MaskedConv1d',
    'MaskedConvTower',
    'MaskedGroupNorm',
    'PackedPyramid',
    'SGPBlock',
    'ScaledDropPath',
    'TemporalAttention',
    'TransformerBlock',
    'clamp_into_range',
    'masked_max_pool',
    'pack_pyramid',
]
