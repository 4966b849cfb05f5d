"""Windowed and full attention against loops over videos, heads, queries and keys."""

import math
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from asl_mmaction.ops.windowed_attention import (
    BLOCK,
    GPU_BLOCK,
    _attend_in_windows,
    attention_bias,
    temporal_attention,
)

pytestmark = pytest.mark.usefixtures('all_double')


def attention_by_loops(query, key, value, mask, num_heads, window_size, causal=False):
    """softmax over the keys that a query may see, one query of one head at a time."""
    width = query.size(-1) // num_heads
    out = torch.zeros_like(query)
    for video in range(len(query)):
        for head in range(num_heads):
            part = slice(head * width, (head + 1) * width)
            for step in range(query.size(1)):
                seen = [
                    other
                    for other in range(query.size(1))
                    if mask[video, other]
                    and (window_size is None or abs(other - step) <= window_size // 2)
                    and (not causal or other == step or (other < step) == (head < num_heads / 2))
                ]
                if not seen:
                    continue
                scores = key[video, seen, part] @ query[video, step, part] / math.sqrt(width)
                out[video, step, part] = scores.softmax(0) @ value[video, seen, part]
    return out


@settings(max_examples=30)
@given(
    steps=st.one_of(
        st.integers(1, 12), st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, GPU_BLOCK + 1, 70])
    ),
    window_size=st.sampled_from([None, 1, 3, 9, 19, 101]),
    heads=st.sampled_from([(1, False), (2, False), (4, False), (2, True), (4, True)]),
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=2),
    seed=st.integers(0, 10**6),
)
def test_equals_loops_over_what_each_query_sees(steps, window_size, heads, lengths, seed):
    num_heads, causal = heads
    torch.manual_seed(seed)
    mask = torch.arange(steps) < torch.tensor(lengths)[:, None]
    query, key, value = torch.randn(3, len(lengths), steps, 8)
    bias = attention_bias(mask, window_size, num_heads * causal)
    out = temporal_attention(query, key, value, bias, num_heads, window_size)
    expected = attention_by_loops(query, key, value, mask, num_heads, window_size, causal)
    torch.testing.assert_close(out[mask], expected[mask])
    assert out.isfinite().all()


@settings(max_examples=30)
@given(
    steps=st.one_of(
        st.integers(1, 12), st.sampled_from([BLOCK - 1, BLOCK, BLOCK + 1, GPU_BLOCK + 1, 70])
    ),
    window_size=st.sampled_from([1, 3, 9, 19, 33, 101]),
    heads=st.sampled_from([(1, False), (2, False), (2, True), (4, True)]),
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=2),
    seed=st.integers(0, 10**6),
    block=st.sampled_from([BLOCK, GPU_BLOCK]),
)
def test_gradients_equal_those_of_masked_full_attention(
    steps, window_size, heads, lengths, seed, block
):
    num_heads, causal = heads
    torch.manual_seed(seed)
    mask = torch.arange(steps) < torch.tensor(lengths)[:, None]
    inputs = torch.randn(3, len(lengths), steps, 4, requires_grad=True)
    near = (torch.arange(steps)[:, None] - torch.arange(steps)).abs() <= window_size // 2
    if causal:
        near = torch.stack([near.tril(), near.triu()]).repeat_interleave(num_heads // 2, 0)
    query, key, value = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in inputs)
    expected = nn.functional.scaled_dot_product_attention(
        query, key, value, (near & mask[:, None, None]) | torch.eye(steps, dtype=torch.bool)
    )
    expected = expected.transpose(1, 2).flatten(2)[mask]
    grad = torch.randn_like(expected)
    (wanted,) = torch.autograd.grad(expected, inputs, grad)
    with mock.patch('asl_mmaction.ops.windowed_attention.BLOCK', block):
        bias = attention_bias(mask, window_size, num_heads * causal)
        for out in (
            temporal_attention(*inputs, bias, num_heads, window_size),
            _attend_in_windows(*inputs, bias, num_heads, window_size // 2, 0.0),
        ):
            torch.testing.assert_close(out[mask], expected)
            (ours,) = torch.autograd.grad(out[mask], inputs, grad)
            torch.testing.assert_close(ours, wanted)


@pytest.mark.parametrize('causal', [False, True])
@pytest.mark.parametrize('window_size', [None, 5])
def test_mask_with_holes(window_size, causal):
    torch.manual_seed(0)
    mask = torch.rand(2, 50) < 0.6
    query, key, value = torch.randn(3, 2, 50, 4)
    bias = attention_bias(mask, window_size, 2 * causal)
    out = temporal_attention(query, key, value, bias, 2, window_size)
    expected = attention_by_loops(query, key, value, mask, 2, window_size, causal)
    torch.testing.assert_close(out[mask], expected[mask])


@pytest.mark.parametrize('causal_heads', [0, 2])
def test_a_window_over_everything_is_full_attention(causal_heads):
    torch.manual_seed(0)
    mask = torch.arange(45) < torch.tensor([[45], [30]])
    query, key, value = torch.randn(3, 2, 45, 8)
    full = temporal_attention(query, key, value, attention_bias(mask, None, causal_heads), 2)
    wide = temporal_attention(query, key, value, attention_bias(mask, 91, causal_heads), 2, 91)
    torch.testing.assert_close(wide[mask], full[mask])


def test_equals_torch_multihead_attention():
    torch.manual_seed(0)
    reference = nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
    mask = torch.arange(20) < torch.tensor([[20], [13]])
    x = torch.randn(2, 20, 8)
    expected, _ = reference(x, x, x, key_padding_mask=~mask)
    query, key, value = (x @ reference.in_proj_weight.T).chunk(3, dim=-1)
    out = temporal_attention(query, key, value, attention_bias(mask, None), 2)
    out = out @ reference.out_proj.weight.T
    torch.testing.assert_close(out[mask], expected[mask])


@pytest.mark.parametrize('causal_heads', [0, 2])
@pytest.mark.parametrize('window_size', [None, 7])
def test_hidden_keys_get_no_gradient_and_nothing_is_nan(window_size, causal_heads):
    torch.manual_seed(0)
    mask = torch.arange(40) < torch.tensor([[33], [0]])  # the second video has no valid step
    query, key, value = torch.randn(3, 2, 40, 4).unbind(0)
    value.requires_grad_()
    bias = attention_bias(mask, window_size, causal_heads)
    out = temporal_attention(query, key, value, bias, 2, window_size)
    out[mask].sum().backward()
    assert out.isfinite().all()
    assert value.grad[mask].abs().sum() > 0
    assert (value.grad[~mask] == 0).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('window_size', [None, 9])
def test_a_causal_head_depends_on_nothing_of_the_other_side(window_size, dtype):
    """The first half of the channels is the past's. A step counts in all of its heads."""
    torch.manual_seed(0)
    num_heads, steps = 4, 40
    inputs = torch.randn(3, 1, steps, 8, dtype=dtype, requires_grad=True)
    mask = torch.ones(1, steps, dtype=torch.bool)
    bias = attention_bias(mask, window_size, num_heads)
    out = temporal_attention(*inputs, bias, num_heads, window_size)[0]
    for step in (0, 1, 17, 39):
        (past,) = torch.autograd.grad(out[step, :4].sum(), inputs, retain_graph=True)
        (future,) = torch.autograd.grad(out[step, 4:].sum(), inputs, retain_graph=True)
        assert (past[:, 0, step + 1 :] == 0).all()
        assert (future[:, 0, :step] == 0).all()
        assert (past[2, 0, step, :4] != 0).all()
        assert (future[2, 0, step, 4:] != 0).all()
        changed = inputs.detach() + 100 * (torch.arange(steps) > step)[:, None]
        later = temporal_attention(*changed, bias, num_heads, window_size)[0]
        assert torch.equal(later[: step + 1, :4], out[: step + 1, :4])
        changed = inputs.detach() + 100 * (torch.arange(steps) < step)[:, None]
        earlier = temporal_attention(*changed, bias, num_heads, window_size)[0]
        assert torch.equal(earlier[step:, 4:], out[step:, 4:])


@pytest.mark.parametrize('causal_heads', [0, 2])
@pytest.mark.parametrize('window_size', [None, 9])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_stays_finite(window_size, dtype, causal_heads):
    torch.manual_seed(0)
    mask = torch.arange(40) < torch.tensor([[33], [5]])
    query, key = (torch.randn(2, 2, 40, 8) / 4).to(dtype)
    value = (1 + torch.rand(2, 40, 8)).masked_fill(~mask[..., None], 1000).to(dtype)
    bias = attention_bias(mask, window_size, causal_heads)
    out = temporal_attention(query, key, value, bias, 2, window_size)
    expected = temporal_attention(
        query.double(), key.double(), value.double(), bias, 2, window_size
    )
    assert out.dtype == dtype
    # A score sums 4 products, over the root of 4, and is off by 4 eps of what it can be at most;
    # softmax doubles that. Weights, their sum, the products and the result are rounded once each.
    eps = torch.finfo(dtype).eps
    highest = query.double().norm(dim=-1).max() * key.double().norm(dim=-1).max() / 2
    allowed = torch.expm1(2 * 4 * eps * highest) + 4 * eps
    torch.testing.assert_close(out.double()[mask], expected[mask], atol=0, rtol=allowed.item())


def test_dropout_drops_attention_weights():
    torch.manual_seed(0)
    mask = torch.ones(1, 64, dtype=torch.bool)
    query = key = torch.zeros(1, 64, 4)  # every weight is 1 / 64
    value = torch.ones(1, 64, 4)
    out = temporal_attention(query, key, value, attention_bias(mask, None), 1, dropout=0.5)
    counts = out[..., 0] * 32  # kept weights count 2 / 64
    torch.testing.assert_close(counts, counts.round(), atol=1e-4, rtol=0)
    assert 16 < counts.mean() < 48
    assert counts.std() > 0


def test_a_second_derivative_is_refused():
    query = torch.randn(1, 40, 8, requires_grad=True)
    mask = torch.ones(1, 40, dtype=torch.bool)
    out = temporal_attention(query, query, query, attention_bias(mask, 9), 2, 9)
    (grad,) = torch.autograd.grad(out.square().sum(), query, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()
