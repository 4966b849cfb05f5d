"""Varifocal loss against its formula, element by element."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.losses import VarifocalLoss, varifocal_loss


def by_hand(logit, q, alpha, gamma):
    """Zhang et al., CVPR 2021, eq. 2."""
    p = 1 / (1 + math.exp(-logit))
    if q > 0:
        return -q * (q * math.log(p) + (1 - q) * math.log(1 - p))
    return -alpha * p**gamma * math.log(1 - p)


@settings(max_examples=50)
@given(
    logit=st.floats(-12, 12),
    target=st.sampled_from([0.0, 0.01, 0.4, 1.0]),
    alpha=st.sampled_from([0.25, 0.75]),
    gamma=st.sampled_from([1.0, 2.0]),
)
def test_equals_formula(logit, target, alpha, gamma):
    loss = varifocal_loss(torch.tensor(logit), torch.tensor(target), alpha, gamma)
    assert loss.item() == pytest.approx(by_hand(logit, target, alpha, gamma), rel=1e-9, abs=1e-12)


def test_the_score_that_costs_least_is_the_target():
    logits = torch.linspace(-4, 4, 801)
    for target in (0.2, 0.5, 0.9):
        loss = varifocal_loss(logits, torch.full_like(logits, target))
        assert logits[loss.argmin()].sigmoid().item() == pytest.approx(target, abs=0.003)


def test_far_logits_stay_finite():
    logits = torch.tensor([-200.0, 200.0, -200.0, 200.0], requires_grad=True)
    loss = varifocal_loss(logits, torch.tensor([0.0, 0.0, 0.5, 1.0]))
    assert loss.tolist() == pytest.approx([0, 0.75 * 200, 0.25 * 200, 0])
    loss.sum().backward()
    assert logits.grad.isfinite().all()


def test_module_weighs_and_averages():
    torch.manual_seed(0)
    logits, targets, weight = (
        torch.randn(4, 3),
        torch.rand(4, 3).round(decimals=1),
        torch.rand(4, 1),
    )
    loss = VarifocalLoss(alpha=0.5, gamma=1.0, loss_weight=2.0)
    expected = sum(
        by_hand(logit, target, 0.5, 1.0) * weight[row].item()
        for row in range(4)
        for logit, target in zip(logits[row].tolist(), targets[row].tolist(), strict=True)
    )
    assert loss(logits, targets, weight, 5.0).item() == pytest.approx(2 * expected / 5)


NAN = float('nan')


@pytest.mark.parametrize(
    'wrong', [{'gamma': 0.5}, {'gamma': -1.0}, {'gamma': NAN}, {'alpha': -0.1}, {'alpha': NAN}]
)
def test_settings_out_of_range(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf'expected {name} .*but got {value}'):
        VarifocalLoss(**wrong)
