from asl_mmaction.models.heads.base_dense_head import BaseDenseHead, HeadOutputs
from asl_mmaction.models.heads.point_head import PointHead
from asl_mmaction.models.heads.trident_head import TridentHead, TridentOutputs

__all__ = ['BaseDenseHead', 'HeadOutputs', 'PointHead', 'TridentHead', 'TridentOutputs']
