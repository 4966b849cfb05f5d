"""Annotation files, feature pipelines, samplers."""

from asl_mmaction.datasets.samplers import LengthGroupedBatchSampler
from asl_mmaction.datasets.tal_dataset import TALDataset
from asl_mmaction.datasets.transforms import (
    LoadFeature,
    PackTALInputs,
    RandomTruncate,
    ResizeFeature,
)

__all__ = [
    'LengthGroupedBatchSampler',
    'LoadFeature',
    'PackTALInputs',
    'RandomTruncate',
    'ResizeFeature',
    'TALDataset',
]
