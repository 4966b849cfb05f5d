"""The k highest steps of each video against torch's topk of that video alone."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.ops.masked_topk import masked_mean, topk_counts, topk_mask


@pytest.mark.parametrize('ratio', [0.125, 0.29, 0.6, 0.7, 1.0])
def test_counts_are_the_floor_of_the_exact_product(ratio):
    lengths = torch.tensor([1, 2, 7, 10, 99, 100, 750])
    mask = torch.arange(750) < lengths[:, None]
    exact = [math.floor(Fraction(str(ratio)) * length) for length in lengths.tolist()]
    assert topk_counts(mask, ratio).tolist() == [max(1, count) for count in exact]


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    padding=st.integers(0, 4),
    ratio=st.floats(0.05, 1.0),
    levels=st.integers(1, 5),
    seed=st.integers(0, 10**6),
)
def test_equals_topk_of_each_video_alone(lengths, padding, ratio, levels, seed):
    torch.manual_seed(seed)
    total = max(lengths) + padding
    # few levels: many ties; padding is higher than anything
    values = torch.randint(levels, (len(lengths), total, 2)).double()
    mask = torch.arange(total) < torch.tensor(lengths)[:, None]
    values[~mask] = 100.0
    counts = topk_counts(mask, ratio)
    chosen = topk_mask(values, mask, counts)
    mean = masked_mean(values, chosen)
    for video, length in enumerate(lengths):
        k = int(counts[video])
        for column in range(2):
            alone = values[video, :length, column]
            assert mean[video, column] == pytest.approx(alone.topk(k).values.mean().item())
            # of equal steps the first
            ranked = sorted(range(length), key=lambda t, x=alone: (-x[t].item(), t))[:k]
            assert chosen[video, :, column].nonzero().flatten().tolist() == sorted(ranked)


def test_where_fewer_are_valid_all_are_chosen():
    values = torch.tensor([[[3.0], [1.0], [2.0]]])
    mask = torch.tensor([[True, True, False]])
    assert topk_mask(values, mask, torch.tensor([3])).flatten().tolist() == [True, True, False]
    none = torch.zeros(1, 3, dtype=torch.bool)
    assert not topk_mask(values, none, torch.tensor([2])).any()


def test_a_mean_of_nothing_is_zero_with_a_gradient_path():
    values = torch.randn(2, 3, requires_grad=True)
    weights = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 3.0]])
    mean = masked_mean(values, weights)
    assert mean[0] == 0
    assert mean[1].item() == pytest.approx((values[1, 0] + 3 * values[1, 2]).item() / 4, rel=1e-6)
    mean.sum().backward()
    assert values.grad.tolist() == [[0, 0, 0], [0.25, 0, 0.75]]
