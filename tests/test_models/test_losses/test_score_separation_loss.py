"""Separation of action and clicked scores against a loop over videos and classes."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS

from asl_mmaction.models.losses import score_separation_loss
from asl_mmaction.structures.weak_labels import NO_CLICK, WeakLabels

K = 3


def make_batch(seed, lengths=(8, 5, 6), total=9, chance=0.3):
    generator = torch.Generator().manual_seed(seed)
    count = len(lengths)
    activations = torch.randn(count, total, K + 1, generator=generator)
    mask = torch.arange(total) < torch.tensor(lengths)[:, None]
    video_labels = (torch.rand(count, K, generator=generator) < 0.5).double()
    clicks = torch.full((count, total), NO_CLICK)
    draw = torch.rand(count, total, generator=generator)
    clicks[mask & (draw < chance)] = K
    clicks[mask & (draw > 0.9)] = 0
    return activations, mask, WeakLabels(video_labels, clicks)


def loss_by_loop(activations, mask, labels, ratio, exclude_clicked):
    videos = []
    for a, valid, y, clicks in zip(activations, mask, *labels, strict=True):
        length = int(valid.sum())
        k = max(1, int(ratio * length))
        clicked = [t for t in range(length) if clicks[t] == K]
        allowed = [t for t in range(length) if not (exclude_clicked and t in clicked)]
        classes = []
        for c in range(K):
            if y[c] and clicked and allowed:
                best = sorted((a[t, c].item() for t in allowed), reverse=True)[:k]
                top, click = sum(best) / len(best), a[clicked, c].mean().item()
                classes.append(F.softplus(torch.tensor(click - top)).item())
        if classes:
            videos.append(sum(classes) / len(classes))
    return sum(videos) / len(videos) if videos else 0.0


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), ratio=st.sampled_from([0.2, 0.5, 1.0]), exclude=st.booleans())
def test_equals_the_loop(seed, ratio, exclude):
    activations, mask, labels = make_batch(seed)
    loss = MODELS.build(
        dict(type='ScoreSeparationLoss', ratio=ratio, exclude_clicked=exclude, loss_weight=2.0)
    )
    expected = 2 * loss_by_loop(activations, mask, labels, ratio, exclude)
    assert loss(activations, mask, labels).item() == pytest.approx(expected)


def test_gradient_by_hand():
    """Each of the highest steps gets -d / k, each click d / n, with d = sigmoid(b - p)."""
    activations = torch.tensor([3.0, 1.0, 2.0, 0.5, 0.0]).view(1, 5, 1).repeat(1, 1, 2)
    activations.requires_grad_()
    clicks = torch.tensor([[NO_CLICK, NO_CLICK, NO_CLICK, 1, 1]])
    labels = WeakLabels(torch.ones(1, 1), clicks)
    mask = torch.ones(1, 5, dtype=torch.bool)
    loss = score_separation_loss(activations, mask, labels, 0.4)
    difference = torch.tensor(0.25 - 2.5)
    torch.testing.assert_close(loss, F.softplus(difference))
    loss.backward()
    d = difference.sigmoid().item()
    expected = [-d / 2, 0, -d / 2, d / 2, d / 2]
    assert activations.grad[0, :, 0].tolist() == pytest.approx(expected)
    assert not activations.grad[0, :, 1].any()  # background is no class


def test_shifting_a_class_and_padding_change_nothing():
    activations, mask, labels = make_batch(3)
    loss = score_separation_loss(activations, mask, labels, 0.4)
    shifted = activations + torch.tensor([5.0, -2.0, 1.0, 7.0])
    torch.testing.assert_close(score_separation_loss(shifted, mask, labels, 0.4), loss)
    moved = activations.masked_fill(~mask[..., None], 100.0)
    torch.testing.assert_close(score_separation_loss(moved, mask, labels, 0.4), loss)


@pytest.mark.parametrize('case', ['no clicks', 'no labels', 'all clicked'])
def test_where_nothing_can_be_compared_it_is_zero_with_a_gradient_path(case):
    activations, mask, labels = make_batch(0)
    activations.requires_grad_()
    if case == 'no clicks':
        labels = labels._replace(click_labels=torch.full_like(labels.click_labels, NO_CLICK))
    elif case == 'no labels':
        labels = labels._replace(video_labels=torch.zeros_like(labels.video_labels))
    else:
        labels = labels._replace(click_labels=torch.full_like(labels.click_labels, K))
    loss = score_separation_loss(activations, mask, labels, 0.5)
    assert loss == 0
    loss.backward()
    assert not activations.grad.any()


def test_more_wanted_than_there_are():
    activations, _, labels = make_batch(0)
    mask = torch.zeros(3, 9, dtype=torch.bool)
    mask[:, :1] = True
    labels = WeakLabels(torch.ones(3, K), torch.full((3, 9), NO_CLICK))
    labels.click_labels[:, 0] = K
    both = score_separation_loss(activations, mask, labels, 1.0, exclude_clicked=False)
    assert both.item() == pytest.approx(F.softplus(torch.tensor(0.0)).item())


def test_half_precision_is_computed_in_single(single):
    activations, mask, labels = make_batch(0)
    half = activations.bfloat16()
    of_half, of_single = (
        score_separation_loss(values, mask, labels, 0.4) for values in (half, half.float())
    )
    assert torch.equal(of_half, of_single)


def test_a_ratio_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r'expected ratio in .* but got 0'):
        MODELS.build(dict(type='ScoreSeparationLoss', ratio=0))
