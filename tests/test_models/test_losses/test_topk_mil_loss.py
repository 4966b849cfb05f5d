"""The loss of the video labels against sums by hand."""

import math

import pytest
import torch
from mmaction.registry import MODELS

from asl_mmaction.models.losses import topk_mil_loss


def test_by_hand():
    scores = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    total = math.log(sum(map(math.exp, (1.0, 2.0, 0.5))))
    first = 0.5 * (total - 1.0) + 0.5 * (total - 0.5)
    expected = [first, math.log(3)]
    assert topk_mil_loss(scores, targets).tolist() == pytest.approx(expected)
    loss = MODELS.build(dict(type='TopKMILLoss', loss_weight=2.0))
    assert loss(scores, targets).item() == pytest.approx(sum(expected))


def test_a_video_without_targets_costs_nothing():
    scores = torch.randn(2, 3, requires_grad=True)
    loss = topk_mil_loss(scores, torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    assert loss[0] == 0
    loss.sum().backward()
    assert not scores.grad[0].any()
    assert scores.grad[1].all()


def test_half_precision_is_computed_in_single(single):
    scores, targets = torch.randn(2, 3).bfloat16(), torch.ones(2, 3)
    assert torch.equal(topk_mil_loss(scores, targets), topk_mil_loss(scores.float(), targets))
