from asl_mmaction.models.layers.affinity_conv import (
    AffinityConv1d,
    LocalAffinity,
    StepEmbedding,
    local_affinity,
    neighbor_mask,
    neighbors,
)
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
    'AffinityConv1d',
    'ChannelAttention',
    'LocalAffinity',
    'MaskedConv1d',
    'MaskedConvTower',
    'MaskedGroupNorm',
    'PackedPyramid',
    'SGPBlock',
    'ScaledDropPath',
    'StepEmbedding',
    'TemporalAttention',
    'TransformerBlock',
    'clamp_into_range',
    'local_affinity',
    'masked_max_pool',
    'neighbor_mask',
    'neighbors',
    'pack_pyramid',
]
