"""DIoU loss against the formula of one pair."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.losses import SegmentDIoULoss, segment_diou_loss
from asl_mmaction.structures.segments import paired_tiou


def diou_by_hand(a, b):
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    union = (a[1] - a[0]) + (b[1] - b[0]) - inter
    hull = max(a[1], b[1]) - min(a[0], b[0])
    distance = abs((a[0] + a[1]) / 2 - (b[0] + b[1]) / 2)
    return 1 - inter / union + (distance / hull) ** 2


segment = st.tuples(st.integers(-400, 400), st.integers(1, 400)).map(
    lambda x: (x[0] / 8, (x[0] + x[1]) / 8)
)


@settings(max_examples=100)
@given(a=segment, b=segment)
def test_equals_formula(a, b):
    loss = segment_diou_loss(torch.tensor(a), torch.tensor(b)).item()
    assert loss == pytest.approx(diou_by_hand(a, b), abs=1e-5)
    assert loss == pytest.approx(segment_diou_loss(torch.tensor(b), torch.tensor(a)).item())
    assert 0 <= loss <= 2


def test_by_hand():
    pairs = [((0, 4), (0, 4)), ((0, 4), (2, 6)), ((0, 1), (3, 4)), ((1, 3), (0, 4))]
    pred, target = (torch.tensor([pair[i] for pair in pairs]).float() for i in range(2))
    expected = [0, 1 - 1 / 3 + (2 / 6) ** 2, 1 + (3 / 4) ** 2, 0.5]
    assert segment_diou_loss(pred, target).tolist() == pytest.approx(expected)


def test_concentric_is_one_minus_the_houses_tiou():
    torch.manual_seed(0)
    half = torch.rand(20, 2) + 0.1
    pred, target = (torch.stack([5 - half[:, i], 5 + half[:, i]], dim=-1) for i in range(2))
    torch.testing.assert_close(segment_diou_loss(pred, target), 1 - paired_tiou(pred, target))


def test_disjoint_segments_are_pulled_together():
    pred = torch.tensor([[0.0, 1.0]], requires_grad=True)
    segment_diou_loss(pred, torch.tensor([[3.0, 4.0]])).sum().backward()
    # d/ds and d/de of ((7 - s - e) / 2 / (4 - s))**2 at s = 0, e = 1
    assert pred.grad[0].tolist() == pytest.approx([2 * 0.75 * (-0.5 / 4 + 3 / 16), -0.1875])


def test_a_prediction_without_length_is_finite():
    pred = torch.tensor([[2.0, 2.0], [5.0, 5.0]], requires_grad=True)
    loss = segment_diou_loss(pred, torch.tensor([[2.0, 4.0], [5.0, 5.0]]))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert loss[0].item() == pytest.approx(1 + 0.25)
    assert pred.grad.isfinite().all()


def test_module_weighs_reduces_and_scales():
    pred = torch.tensor([[[0.0, 4.0], [0.0, 4.0], [0.0, 1.0]]])
    target = torch.tensor([[[0.0, 4.0], [2.0, 6.0], [3.0, 4.0]]])
    each = segment_diou_loss(pred, target)[0].tolist()
    module = SegmentDIoULoss(loss_weight=0.5)
    weight = torch.tensor([[3.0, 0.0, 2.0]])
    expected = 0.5 * (3 * each[0] + 2 * each[2]) / 4
    assert module(pred, target, weight, 4).item() == pytest.approx(expected)
    assert module(pred, target).item() == pytest.approx(0.5 * sum(each) / 3)
    assert torch.equal(module(pred, target), module(pred, target, torch.ones(1, 3)))
