from asl_mmaction.apis.inferencer import TALInferencer
from asl_mmaction.apis.loading import (
    find_classes,
    load_checkpoint,
    load_config,
    read_class_gaussians,
)

__all__ = [
    'TALInferencer',
    'find_classes',
    'load_checkpoint',
    'load_config',
    'read_class_gaussians',
]
