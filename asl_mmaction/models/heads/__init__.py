from asl_mmaction.models.heads.activation_head import (
    ActivationHead,
    BranchOutputs,
)
from asl_mmaction.models.heads.base_dense_head import BaseDenseHead, HeadOutputs
from asl_mmaction.models.heads.point_head import PointHead
from asl_mmaction.models.heads.trident_head import TridentHead, TridentOutputs

__all__ = [
    'ActivationHead',
    'BaseDenseHead',
    'BranchOutputs',
    'HeadOutputs',
    'PointHead',
    'TridentHead',
    'TridentOutputs',
]
