"""The two attentions against loops on the video without its padding."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.layers import ChannelAttention, TemporalAttention
from asl_mmaction.ops.windowed_attention import attention_bias


def randomize(module):
    for value in module.parameters():
        torch.nn.init.normal_(value, std=0.5)
    return module


def padded(video, total):
    x = torch.zeros(1, total, video.size(1))
    x[0, : len(video)] = video
    return x, (torch.arange(total) < len(video))[None]


def depthwise(video, conv, which, stride):
    """Depthwise convolution with filter ``which`` of every channel. (T, C) -> (ceil(T / s), C)"""
    channels = video.size(1)
    per_channel = conv.weight.size(0) // channels
    weight = conv.weight[which::per_channel]
    return F.conv1d(video.T, weight, stride=stride, padding=1, groups=channels).T


def temporal_reference(module, video, stride, causal=False):
    """Eq. 1, head by head and query by query, of an unpadded video."""
    query, key, value = (
        projection(norm(depthwise(video, module.conv, which, stride)))
        for which, (norm, projection) in enumerate(
            zip(module.norms, module.projections, strict=True)
        )
    )
    steps, channels = query.shape
    width = channels // module.num_heads
    half = steps if module.window_size is None else module.window_size // 2
    out = torch.zeros(steps, channels)
    for head in range(module.num_heads):
        part = slice(head * width, (head + 1) * width)
        for step in range(steps):
            first, last = max(step - half, 0), step + half
            if causal:
                first, last = (first, step) if head < module.num_heads / 2 else (step, last)
            near = slice(first, last + 1)
            weight = (key[near, part] @ query[step, part] / math.sqrt(width)).softmax(0)
            out[step, part] = weight @ value[near, part]
    return module.out(out)


def channel_reference(module, video, stride):
    """Eq. 2, channel by channel, of an unpadded video."""
    channels = video.size(1)
    normed = module.norm(depthwise(video, module.conv, 0, stride))
    query, key, value = module.projection(normed).split(channels, dim=1)
    steps = len(normed)
    block = channels // module.num_groups
    out = torch.zeros(steps, channels)
    for channel in range(channels):
        first = channel // block * block
        scores = torch.stack([(query[:, channel] * key[:, first + i]).sum() for i in range(block)])
        weight = (scores / math.sqrt(steps)).softmax(0)
        for i in range(block):
            out[:, channel] += weight[i] * value[:, first + i]
    return module.out(out)


@settings(max_examples=25)
@given(
    length=st.integers(1, 40),
    padding=st.integers(0, 40),
    stride=st.sampled_from([1, 2]),
    window_size=st.sampled_from([None, 1, 5, 19]),
    heads=st.sampled_from([(1, False), (2, False), (2, True), (4, True)]),
    seed=st.integers(0, 10**6),
)
def test_temporal_equals_loops(length, padding, stride, window_size, heads, seed):
    num_heads, causal = heads
    torch.manual_seed(seed)
    module = randomize(TemporalAttention(4, num_heads, stride=stride, window_size=window_size))
    video = torch.randn(length, 4)
    x, mask = padded(video, 2 * (length + padding))
    out_mask = mask[:, ::stride]
    bias = attention_bias(out_mask, window_size, num_heads * causal)
    out = module(x, out_mask, bias)[0]
    expected = temporal_reference(module, video, stride, causal)
    torch.testing.assert_close(out[: len(expected)], expected)
    assert (out[len(expected) :] == 0).all()


@settings(max_examples=25)
@given(
    length=st.integers(1, 12),
    padding=st.integers(0, 12),
    stride=st.sampled_from([1, 2]),
    num_groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 10**6),
)
def test_channel_equals_loops_and_scales_with_valid_frames(
    length, padding, stride, num_groups, seed
):
    torch.manual_seed(seed)
    module = randomize(ChannelAttention(4, num_groups, stride=stride))
    video = torch.randn(length, 4)
    x, mask = padded(video, 2 * (length + padding))
    out = module(x, mask[:, ::stride])[0]
    expected = channel_reference(module, video, stride)
    torch.testing.assert_close(out[: len(expected)], expected)
    assert (out[len(expected) :] == 0).all()


def test_channel_mixes_over_the_whole_video_and_temporal_within_its_window():
    torch.manual_seed(0)
    mask = torch.ones(1, 20, dtype=torch.bool)
    x = torch.randn(1, 20, 4)
    changed = x.clone()
    changed[0, 19] += 1
    channel = randomize(ChannelAttention(4))
    assert ((channel(x, mask) - channel(changed, mask))[0, 0] != 0).any()
    temporal = randomize(TemporalAttention(4, 1, window_size=5))
    bias = attention_bias(mask, 5)
    same = (temporal(x, mask, bias) == temporal(changed, mask, bias))[0].all(-1)
    assert same.tolist() == [True] * 16 + [False] * 4  # window and convolution reach 2 + 1 steps


@pytest.mark.parametrize('stride', [1, 2])
def test_causal_heads_reach_one_step_across_by_the_convolution(stride):
    torch.manual_seed(0)
    module = randomize(TemporalAttention(4, 2, stride=stride))
    module.out = torch.nn.Identity()  # the first half of the channels is that of the first head
    mask = torch.ones(1, 20 // stride, dtype=torch.bool)
    x = torch.randn(1, 20, 4, requires_grad=True)
    out = module(x, mask, attention_bias(mask, None, 2))[0]
    step = 10 // stride
    (past,) = torch.autograd.grad(out[step, :2].sum(), x, retain_graph=True)
    (future,) = torch.autograd.grad(out[step, 2:].sum(), x)
    assert (past[0] != 0).any(-1).tolist() == [True] * 12 + [False] * 8
    assert (future[0] != 0).any(-1).tolist() == [False] * 9 + [True] * 11


def test_attention_dropout_acts_in_training_only():
    torch.manual_seed(0)
    mask = torch.ones(1, 20, dtype=torch.bool)
    x = torch.randn(1, 20, 4)
    temporal = TemporalAttention(4, 1, attn_dropout=0.5)
    channel = ChannelAttention(4, attn_dropout=0.5)
    for module, args in ((temporal, (attention_bias(mask, None),)), (channel, ())):
        assert not torch.equal(module(x, mask, *args), module(x, mask, *args))
        module.eval()
        assert torch.equal(module(x, mask, *args), module(x, mask, *args))


@pytest.mark.parametrize('kind', [TemporalAttention, ChannelAttention])
def test_there_is_no_parameter_that_nothing_uses(kind):
    """Processes that train together wait for the gradients of all."""
    module = kind(4, 2)
    mask = torch.ones(1, 6, dtype=torch.bool)
    bias = (attention_bias(mask, None),) if kind is TemporalAttention else ()
    module(torch.randn(1, 6, 4), mask, *bias).sum().backward()
    assert [name for name, value in module.named_parameters() if value.grad is None] == []


def test_channel_attention_in_half_precision_counts_more_steps_than_it_holds():
    torch.manual_seed(0)
    steps = 70000  # float16 ends at 65504
    attention = ChannelAttention(4)
    with torch.no_grad():  # every layer hands on what it gets
        attention.conv.weight.copy_(torch.tensor([0.0, 1.0, 0.0]))
        attention.projection.weight.copy_(torch.eye(4).repeat(3, 1))
        attention.out.weight.copy_(torch.eye(4))
    x, mask = torch.randn(1, steps, 4), torch.ones(1, steps, dtype=torch.bool)
    out = attention.half()(x.half(), mask)
    # A channel scores sqrt(70000) with itself and less than 0 with others, so it sees itself alone;
    # with a scale of 0 it would see all alike, which is 0.
    expected = F.layer_norm(x, (4,))
    eps = torch.finfo(torch.float16).eps
    torch.testing.assert_close(out.double(), expected, atol=16 * eps * expected.abs().max(), rtol=0)


def test_users_mistakes():
    with pytest.raises(ValueError, match='expected num_heads to divide channels=4 but got 3'):
        TemporalAttention(4, 3)
    with pytest.raises(ValueError, match='expected window_size to be odd or None but got 4'):
        TemporalAttention(4, 2, window_size=4)
    with pytest.raises(ValueError, match='expected channel_groups to divide channels=4'):
        ChannelAttention(4, 3)
