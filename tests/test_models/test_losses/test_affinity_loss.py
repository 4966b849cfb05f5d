"""The loss of the embeddings against a double loop in NumPy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import MODELS

from asl_mmaction.models.losses import AffinityLoss, affinity_terms
from asl_mmaction.structures.weak_labels import NO_CLICK, WeakLabels

K, E = 3, 4


def make_batch(seed, lengths=(8, 5, 6), total=9, chance=0.3):
    generator = torch.Generator().manual_seed(seed)
    count = len(lengths)
    embeddings = F.normalize(torch.randn(count, total, E, generator=generator), dim=-1)
    activations = torch.randn(count, total, K + 1, generator=generator)
    mask = torch.arange(total) < torch.tensor(lengths)[:, None]
    video_labels = (torch.rand(count, K, generator=generator) < 0.5).double()
    clicks = torch.full((count, total), NO_CLICK)
    clicks[mask & (torch.rand(count, total, generator=generator) < chance)] = K
    embeddings[~mask] = 0
    return embeddings, activations, mask, WeakLabels(video_labels, clicks)


def loss_by_loop(
    embeddings, activations, mask, labels, ratio, exclude_clicked, action_term, same=0.5, differ=0.1
):
    """Section 2 of the method's description, pair by pair."""
    videos = []
    for e, a, valid, y, clicks in zip(
        *(x.numpy() for x in (embeddings, activations, mask, *labels)), strict=True
    ):
        length = valid.sum()
        k = max(1, int(ratio * length))
        clicked = [t for t in range(length) if clicks[t] == K]
        if not clicked:
            continue
        allowed = [t for t in range(length) if not (exclude_clicked and t in clicked)]
        action = []
        for c in range(K):
            if y[c]:
                action += sorted(allowed, key=lambda t, c=c: -a[t, c])[:k]
        g, f = e[clicked], e[action]
        loss = np.mean([max(same - min(x @ z for z in g), 0) for x in g])
        if len(f) and action_term:
            loss += np.mean([max(same - min(x @ z for z in f), 0) for x in f])
        if len(f):
            loss += np.mean([max(max(x @ z for z in g) - differ, 0) for x in f])
            loss += np.mean([max(max(x @ z for z in f) - differ, 0) for x in g])
        videos.append(loss)
    return np.mean(videos) if videos else 0.0


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    ratio=st.sampled_from([0.2, 0.5]),
    exclude=st.booleans(),
    action_term=st.booleans(),
)
def test_equals_the_double_loop(seed, ratio, exclude, action_term):
    batch = make_batch(seed)
    switches = dict(exclude_clicked=exclude, action_term=action_term)
    loss = MODELS.build(dict(type='AffinityLoss', ratio=ratio, loss_weight=1.0, **switches))
    expected = loss_by_loop(*batch, ratio, exclude, action_term)
    assert loss(*batch).item() == pytest.approx(expected, abs=1e-12)


def test_margins_and_weight_are_settings():
    batch = make_batch(0)
    by_default = 0.8 * loss_by_loop(*batch, 0.5, True, True)
    assert AffinityLoss(ratio=0.5)(*batch).item() == pytest.approx(by_default)
    margins = dict(same_margin=0.7, different_margin=0.3)
    expected = 2 * loss_by_loop(*batch, 0.5, True, True, 0.7, 0.3)
    loss = AffinityLoss(ratio=0.5, loss_weight=2.0, **margins)
    assert loss(*batch).item() == pytest.approx(expected)


def test_half_precision_is_computed_in_single(single):
    embeddings, activations, mask, labels = make_batch(0)
    loss, half = AffinityLoss(ratio=0.5), embeddings.bfloat16()
    assert torch.equal(
        loss(half, activations, mask, labels), loss(half.float(), activations, mask, labels)
    )


def test_gradient_is_that_of_the_hardest_pairs():
    _, activations, mask, labels = make_batch(1)
    raw = torch.randn(3, 9, E, requires_grad=True)
    loss = AffinityLoss(ratio=0.5)

    def value(x):
        return loss(F.normalize(x, dim=-1) * mask[..., None], activations, mask, labels)

    assert torch.autograd.gradcheck(value, (raw,))
    activations.requires_grad_()
    value(raw).backward()
    assert activations.grad is None  # they only choose


def test_orthogonal_clusters_cost_nothing():
    embeddings = torch.eye(E)[[0, 0, 0, 1, 1, 1]][None]
    action = torch.tensor([[1.0, 2.0, 0.0, 0.0, 0.0, 0.0]])
    background = torch.tensor([[False, False, False, True, False, True]])
    terms = affinity_terms(embeddings, action, background)
    assert [term.item() for term in terms] == [0, 0, 0]
    same = affinity_terms(embeddings[:, :1].expand(1, 6, E), action, background)
    assert [term.item() for term in same] == pytest.approx([0, 0, 1.8])


def test_order_of_videos_and_of_steps_and_padding_change_nothing():
    embeddings, activations, mask, labels = make_batch(5)
    loss = AffinityLoss(ratio=0.5)
    value = loss(embeddings, activations, mask, labels)
    assert value > 0
    order = torch.tensor([2, 0, 1])
    moved = (embeddings[order], activations[order], mask[order])
    moved_labels = WeakLabels(*(x[order] for x in labels))
    torch.testing.assert_close(loss(*moved, moved_labels), value)
    back = torch.arange(8, -1, -1)
    flipped = (embeddings[:, back], activations[:, back], mask[:, back])
    flipped_labels = labels._replace(click_labels=labels.click_labels[:, back])
    torch.testing.assert_close(loss(*flipped, flipped_labels), value)
    filled = embeddings.masked_fill(~mask[..., None], 3.0)
    high = activations.masked_fill(~mask[..., None], 100.0)
    torch.testing.assert_close(loss(filled, high, mask, labels), value)


@pytest.mark.parametrize('labelled', [True, False])
def test_without_clicks_it_is_zero_with_a_gradient_path(labelled):
    embeddings, activations, mask, labels = make_batch(0)
    embeddings.requires_grad_()
    clicks = torch.full_like(labels.click_labels, NO_CLICK)
    labels = WeakLabels(torch.full_like(labels.video_labels, float(labelled)), clicks)
    loss = AffinityLoss(ratio=0.5)(embeddings, activations, mask, labels)
    assert loss == 0
    loss.backward()
    assert not embeddings.grad.any()


def test_a_ratio_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r'expected ratio in .* but got 1.5'):
        AffinityLoss(ratio=1.5)
