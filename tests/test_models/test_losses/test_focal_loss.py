"""Focal loss against the formula of one element, and binary cross-entropy."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.losses import SigmoidFocalLoss, sigmoid_focal_loss


def focal_by_hand(logit, target, alpha, gamma):
    """Lin et al., ICCV 2017, of a target that is 0 or 1."""
    p = 1 / (1 + math.exp(-logit))
    p_t, alpha_t = (p, alpha) if target == 1 else (1 - p, 1 - alpha)
    return -(alpha_t if alpha >= 0 else 1) * (1 - p_t) ** gamma * math.log(p_t)


@settings(max_examples=50)
@given(
    logit=st.floats(-12, 12),
    target=st.sampled_from([0.0, 1.0]),
    alpha=st.sampled_from([0.25, 0.5, -1.0]),
    gamma=st.sampled_from([0.0, 1.0, 2.0]),
)
def test_equals_formula(logit, target, alpha, gamma):
    loss = sigmoid_focal_loss(torch.tensor(logit), torch.tensor(target), alpha, gamma)
    expected = focal_by_hand(logit, target, alpha, gamma)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_gamma_zero_is_binary_cross_entropy_also_of_soft_targets():
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 5), torch.rand(4, 5)
    torch.testing.assert_close(
        sigmoid_focal_loss(logits, targets, alpha=-1, gamma=0),
        F.binary_cross_entropy_with_logits(logits, targets, reduction='none'),
    )


def test_far_logits_stay_finite():
    logits = torch.tensor([-200.0, 200.0, -200.0, 200.0], requires_grad=True)
    loss = sigmoid_focal_loss(logits, torch.tensor([0.0, 1.0, 1.0, 0.0]))
    assert loss.tolist() == pytest.approx([0, 0, 0.25 * 200, 0.75 * 200])
    loss.sum().backward()
    assert logits.grad.tolist() == pytest.approx([0, 0, -0.25, 0.75])


def test_label_smoothing_of_targets_in_half_precision(single):
    """Autocast may round the targets, which are 0 and 1, but not what smoothing makes of them."""
    logits, targets = torch.randn(4, 3), torch.eye(4)[:, :3]
    loss = SigmoidFocalLoss(label_smoothing=0.1, reduction='none')
    assert torch.equal(loss(logits, targets.bfloat16()), loss(logits, targets))


def test_label_smoothing():
    torch.manual_seed(0)
    logits, targets = torch.randn(4, 3), torch.eye(4, 3)
    loss = SigmoidFocalLoss(label_smoothing=0.1, reduction='none')(logits, targets)
    # a share of 0.1 goes to the K classes and the background alike
    smooth = targets * 0.9 + 0.1 / 4
    assert torch.equal(loss, sigmoid_focal_loss(logits, smooth))


def test_module_weighs_reduces_and_scales():
    torch.manual_seed(0)
    logits, targets, weight = torch.randn(2, 4, 3), torch.zeros(2, 4, 3), torch.rand(2, 4)
    each = sigmoid_focal_loss(logits, targets)
    module = SigmoidFocalLoss(loss_weight=2.0)
    expected = sum(2 * weight[n, p] * each[n, p].sum() / 7 for n in range(2) for p in range(4))
    torch.testing.assert_close(module(logits, targets, weight[..., None], 7), expected)
    ones = torch.ones(2, 4, 1)
    assert torch.equal(module(logits, targets), module(logits, targets, ones))
    torch.testing.assert_close(module(logits, targets), 2 * each.mean())


def test_half_precision_logits_give_a_float32_loss():
    loss = sigmoid_focal_loss(torch.tensor([2.0]).bfloat16(), torch.tensor([1.0]).bfloat16())
    assert loss.dtype == torch.float32
    # Of 1 - p = 0.12, float32 keeps a millionth; bfloat16 would be off by a hundredth.
    assert loss.item() == pytest.approx(focal_by_hand(2.0, 1, 0.25, 2), rel=1e-4)


def test_an_exponent_of_infinite_gradient_is_refused():
    with pytest.raises(ValueError, match=r'expected gamma to be 0 or a number >= 1 but got 0\.5'):
        SigmoidFocalLoss(gamma=0.5)
