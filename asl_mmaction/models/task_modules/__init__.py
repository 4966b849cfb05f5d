from asl_mmaction.models.task_modules.offset_coder import decode_offsets, encode_offsets
from asl_mmaction.models.task_modules.point_assigner import PointAssigner
from asl_mmaction.models.task_modules.point_generator import PointGenerator
from asl_mmaction.models.task_modules.sensitive_frame_sampler import (
    FramePooling,
    SensitiveFrameSampler,
)

__all__ = [
    'FramePooling',
    'PointAssigner',
    'PointGenerator',
    'SensitiveFrameSampler',
    'decode_offsets',
    'encode_offsets',
]
