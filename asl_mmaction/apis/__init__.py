"""What people call from Python.

A name is imported when it is asked for: reading a config needs no videos, pictures and pages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asl_mmaction.apis.action_sensitivity import read_action_sensitivity
    from asl_mmaction.apis.class_gaussians import read_class_gaussians
    from asl_mmaction.apis.classes import find_classes
    from asl_mmaction.apis.config import load_config
    from asl_mmaction.apis.doubtful_moments import find_doubtful_moments
    from asl_mmaction.apis.inferencer import TALInferencer
    from asl_mmaction.apis.scored import evaluate
    from asl_mmaction.apis.weight_effect import measure_weights
    from asl_mmaction.files.checkpoint import load_checkpoint

__all__ = [
    'TALInferencer',
    'evaluate',
    'find_classes',
    'find_doubtful_moments',
    'load_checkpoint',
    'load_config',
    'measure_weights',
    'read_action_sensitivity',
    'read_class_gaussians',
]

_MODULES = {
    'TALInferencer': 'apis.inferencer',
    'evaluate': 'apis.scored',
    'find_classes': 'apis.classes',
    'find_doubtful_moments': 'apis.doubtful_moments',
    'load_checkpoint': 'files.checkpoint',
    'load_config': 'apis.config',
    'measure_weights': 'apis.weight_effect',
    'read_action_sensitivity': 'apis.action_sensitivity',
    'read_class_gaussians': 'apis.class_gaussians',
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'asl_mmaction.{_MODULES[name]}'), name)
