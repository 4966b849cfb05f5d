from asl_mmaction.models.task_modules.offset_coder import decode_offsets, encode_offsets
from asl_mmaction.models.task_modules.point_assigner import PointAssigner
from asl_mmaction.models.task_modules.point_generator import PointGenerator
from asl_mmaction.models.task_modules.sensitive_frame_sampler import (
    FramePooling,
    SensitiveFrameSampler,
)
from asl_mmaction.models.task_modules.simota_assigner import SimOTAAssigner

__all__ = [
    'FramePooling',
    'PointAssigner',
    'PointGenerator',
    'SensitiveFrameSampler',
    'SimOTAAssigner',
    'decode_offsets',
    'encode_offsets',
]
