from asl_mmaction.apis.action_sensitivity import read_action_sensitivity
from asl_mmaction.apis.class_gaussians import read_class_gaussians
from asl_mmaction.apis.classes import find_classes
from asl_mmaction.apis.config import load_config
from asl_mmaction.apis.doubtful_moments import find_doubtful_moments
from asl_mmaction.apis.inferencer import TALInferencer
from asl_mmaction.apis.scored import evaluate
from asl_mmaction.files.checkpoint import load_checkpoint

__all__ = [
    'TALInferencer',
    'evaluate',
    'find_classes',
    'find_doubtful_moments',
    'load_checkpoint',
    'load_config',
    'read_action_sensitivity',
    'read_class_gaussians',
]
