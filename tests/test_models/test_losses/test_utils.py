"""Weights and reductions."""

import pytest
import torch
from mmaction.registry import MODELS

from asl_mmaction.models.losses import weight_reduce_loss

LOSS = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
WEIGHT = torch.tensor([[0.5], [0.0]])


@pytest.mark.parametrize(
    ('reduction', 'weight', 'avg_factor', 'expected'),
    [
        ('none', None, None, [[1, 2], [3, 4]]),
        ('none', WEIGHT, None, [[0.5, 1], [0, 0]]),
        ('sum', None, None, 10),
        ('sum', WEIGHT, None, 1.5),
        ('mean', None, None, 2.5),
        ('mean', WEIGHT, None, 1.5 / 4),
        ('mean', WEIGHT, 3, 0.5),
        ('mean', None, torch.tensor(5.0), 2),
    ],
)
def test_by_hand(reduction, weight, avg_factor, expected):
    assert weight_reduce_loss(LOSS, weight, reduction, avg_factor).tolist() == expected


@pytest.mark.parametrize('reduction', ['none', 'sum', 'mean'])
def test_none_is_ones(reduction):
    ones = torch.ones_like(LOSS)
    assert torch.equal(
        weight_reduce_loss(LOSS, None, reduction), weight_reduce_loss(LOSS, ones, reduction)
    )


@pytest.mark.parametrize('name', ['SigmoidFocalLoss', 'SegmentDIoULoss', 'QualityMSELoss'])
def test_unknown_reduction_raises(name):
    with pytest.raises(ValueError, match=r"expected reduction to be one of .* but got 'avg'"):
        MODELS.build({'type': name, 'reduction': 'avg'})
    with pytest.raises(ValueError, match=r"expected reduction to be one of .* but got 'avg'"):
        weight_reduce_loss(LOSS, reduction='avg')


@pytest.mark.parametrize('reduction', ['none', 'sum'])
def test_average_factor_needs_mean(reduction):
    match = f"expected reduction='mean' with avg_factor but got '{reduction}'"
    with pytest.raises(ValueError, match=match):
        weight_reduce_loss(LOSS, None, reduction, 2)
