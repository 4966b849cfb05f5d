"""The loss of clicked steps against torch's cross-entropy of these steps alone."""

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from asl_mmaction.models.losses import click_loss
from asl_mmaction.structures.weak_labels import NO_CLICK

#: 3 classes, background is 3; the first video has many clicks, the last none.
LABELS = torch.tensor(
    [[3, 3, NO_CLICK, 1, 3], [NO_CLICK, 0, NO_CLICK, NO_CLICK, NO_CLICK], [NO_CLICK] * 5]
)


def test_equals_cross_entropy_of_all_clicks():
    activations = torch.randn(3, 5, 4)
    clicked = LABELS != NO_CLICK
    expected = F.cross_entropy(activations[clicked], LABELS[clicked])
    torch.testing.assert_close(click_loss(activations, LABELS), expected)
    loss = MODELS.build(dict(type='ClickLoss', loss_weight=0.5))
    torch.testing.assert_close(loss(activations, LABELS), 0.5 * expected)


def test_by_videos_each_with_clicks_counts_alike():
    activations = torch.randn(3, 5, 4)
    means = [
        F.cross_entropy(activations[n][LABELS[n] != NO_CLICK], LABELS[n][LABELS[n] != NO_CLICK])
        for n in (0, 1)
    ]
    loss = MODELS.build(dict(type='ClickLoss', reduction='videos'))
    torch.testing.assert_close(loss(activations, LABELS), sum(means) / 2)


def test_half_precision_is_computed_in_single(single):
    activations = torch.randn(3, 5, 4).bfloat16()
    assert torch.equal(click_loss(activations, LABELS), click_loss(activations.float(), LABELS))


@pytest.mark.parametrize('reduction', ['clicks', 'videos'])
def test_without_clicks_it_is_zero_with_a_gradient_path(reduction):
    activations = torch.randn(2, 5, 4, requires_grad=True)
    loss = click_loss(activations, torch.full((2, 5), NO_CLICK), reduction)
    assert loss == 0
    loss.backward()
    assert not activations.grad.any()


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match=r"expected reduction to be one of .* but got 'mean'"):
        MODELS.build(dict(type='ClickLoss', reduction='mean'))
