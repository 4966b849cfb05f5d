from asl_mmaction.models.sensitivity.action_sensitivity_evaluator import (
    ActionSensitivityEvaluator,
)
from asl_mmaction.models.sensitivity.base_sensitivity import BaseSensitivity
from asl_mmaction.models.sensitivity.class_sensitivity import ClassSensitivity
from asl_mmaction.models.sensitivity.instance_sensitivity import InstanceSensitivity

__all__ = [
    'ActionSensitivityEvaluator',
    'BaseSensitivity',
    'ClassSensitivity',
    'InstanceSensitivity',
]
