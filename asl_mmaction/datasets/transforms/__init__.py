"""Pipelines: loading, temporal transforms, formatting."""

from asl_mmaction.datasets.transforms.formatting import PackTALInputs
from asl_mmaction.datasets.transforms.loading import LoadFeature
from asl_mmaction.datasets.transforms.temporal import RandomTruncate, ResizeFeature
from asl_mmaction.datasets.transforms.weak_formatting import PackWeakInputs

__all__ = ['LoadFeature', 'PackTALInputs', 'PackWeakInputs', 'RandomTruncate', 'ResizeFeature']
