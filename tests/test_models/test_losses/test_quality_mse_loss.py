"""The quality loss by hand."""

import pytest
import torch

from asl_mmaction.models.losses import QualityMSELoss

PRED = torch.tensor([[0.2, 0.9], [0.5, 0.5], [1.0, 0.0]])
TARGET = torch.tensor([[0.1, 0.5], [0.5, 0.7], [0.0, 0.0]])
SQUARES = [[0.01, 0.16], [0.0, 0.04], [1.0, 0.0]]


def test_each_element():
    loss = QualityMSELoss(reduction='none')(PRED, TARGET)
    for row, expected in zip(loss.tolist(), SQUARES, strict=True):
        assert row == pytest.approx(expected)


def test_sum_of_both_qualities_over_the_average_factor():
    weight = torch.tensor([[1.0], [1.0], [0.0]])
    loss = QualityMSELoss(loss_weight=2.0)(PRED, TARGET, weight, 2)
    assert loss.item() == pytest.approx(2 * (0.17 + 0.04) / 2)


def test_target_gets_no_gradient():
    pred, target = PRED.clone().requires_grad_(), TARGET.clone().requires_grad_()
    QualityMSELoss()(pred, target).backward()
    assert target.grad is None
    torch.testing.assert_close(pred.grad, 2 * (PRED - TARGET) / 6)
