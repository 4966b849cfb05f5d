"""The block and its norm against loops over one unpadded video."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.layers import MaskedGroupNorm, SGPBlock


def lively(module):
    for name, value in module.named_parameters():
        scale_like = 'scale' in name or ('norm' in name and 'weight' in name)
        torch.nn.init.normal_(value, mean=float(scale_like), std=0.4)
    return module


def padded(video, total):
    x = torch.zeros(1, total, video.size(1))
    x[0, : len(video)] = video
    return x, (torch.arange(total) < len(video))[None]


@settings(max_examples=30)
@given(
    length=st.integers(1, 12),
    padding=st.integers(0, 9),
    groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 10**6),
)
def test_group_norm_equals_torchs_on_the_unpadded_video(length, padding, groups, seed):
    torch.manual_seed(seed)
    norm = lively(MaskedGroupNorm(8, groups))
    video = torch.randn(length, 8) * 3 + 1
    x, mask = padded(video, length + padding)
    out = norm(x, mask)[0]
    expected = F.group_norm(video.T[None], groups, norm.weight, norm.bias, norm.eps)[0].T
    torch.testing.assert_close(out[:length], expected)
    assert (out[length:] == 0).all()


def test_group_norm_of_nothing_is_zero():
    norm = lively(MaskedGroupNorm(8, 2))
    x = torch.zeros(1, 4, 8, requires_grad=True)
    out = norm(x, torch.zeros(1, 4, dtype=torch.bool))
    assert (out == 0).all()
    out.sum().backward()
    assert x.grad.isfinite().all()


def depthwise_by_loop(conv, video):
    """out[t, c] = bias[c] + sum over j of weight[c, j] * video[t + j - kernel // 2, c]."""
    steps, channels = video.shape
    half = conv.kernel_size // 2
    out = torch.zeros(steps, channels)
    for t in range(steps):
        for channel in range(channels):
            total = conv.bias[channel].item()
            for j in range(conv.kernel_size):
                if 0 <= t + j - half < steps:
                    total += conv.weight[channel, 0, j].item() * video[t + j - half, channel].item()
            out[t, channel] = total
    return out


def perceive_by_loop(block, video):
    """phi * FC + psi * (conv_w + conv_kw) + x of one normalized video (T, C)."""
    normed = F.layer_norm(video, video.shape[1:], block.norm.weight, block.norm.bias)
    mean = sum(normed) / len(normed)
    phi = (block.instant_gate.weight @ mean + block.instant_gate.bias).clamp(min=0)
    psi = depthwise_by_loop(block.window_gate, normed)
    window = depthwise_by_loop(block.short, normed) + depthwise_by_loop(block.wide, normed)
    out = torch.zeros_like(video)
    for t, step in enumerate(normed):
        out[t] = phi * (block.instant.weight @ step + block.instant.bias) + step
        out[t] += psi[t] * window[t]
    return out


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize(('window_size', 'window_scale'), [(1, 5), (3, 1.5), (5, 2)])
def test_block_is_the_formula(stride, window_size, window_scale):
    torch.manual_seed(0)
    block = SGPBlock(
        4, stride=stride, window_size=window_size, window_scale=window_scale, num_groups=2
    )
    block = lively(block).eval()
    video = torch.randn(9, 4)
    x, mask = padded(video, 14)
    with torch.no_grad():
        out, out_mask = block(x, mask)
        assert torch.equal(out_mask, mask[:, ::stride])
        if stride == 2:
            video = F.max_pool1d(video.T, 3, stride=2, padding=1).T
        middle = video + block.sgp_path.scale * perceive_by_loop(block, video)
        norm, (first, _, second) = block.mlp_norm, block.mlp
        normed = F.group_norm(middle.T[None], 2, norm.weight, norm.bias, norm.eps)[0].T
        hidden = F.gelu(normed @ first.weight.T + first.bias)
        expected = middle + block.mlp_path.scale * (hidden @ second.weight.T + second.bias)
    assert out_mask.sum() == len(expected)
    torch.testing.assert_close(out[0, : len(expected)], expected)
    assert (out[0, len(expected) :] == 0).all()


# As in the released TriDet: the window counts as one step more, then the next odd number.
@pytest.mark.parametrize(
    ('window_size', 'window_scale', 'kernel'), [(1, 5, 11), (5, 2, 13), (15, 1.3, 21), (1, 1.5, 3)]
)
def test_wide_kernel(window_size, window_scale, kernel):
    block = SGPBlock(16, window_size=window_size, window_scale=window_scale)
    assert block.wide.kernel_size == kernel
    assert block.short.kernel_size == block.window_gate.kernel_size == window_size


def test_starts_as_the_plain_residual_but_every_branch_learns():
    torch.manual_seed(0)
    block = SGPBlock(16, window_size=3)
    x, mask = torch.randn(2, 10, 16), torch.ones(2, 10, dtype=torch.bool)
    torch.testing.assert_close(block.perceive(x, mask), block.norm(x))
    optimizer = torch.optim.SGD(block.parameters(), lr=1.0)
    for _ in range(2):  # a gate moves once its branch has left zero
        optimizer.zero_grad()
        (block.perceive(x, mask) * torch.randn_like(x)).mean().backward()
        optimizer.step()
    for name in ('instant', 'instant_gate', 'short', 'wide', 'window_gate'):
        assert getattr(block, name).weight.grad.abs().max() > 0, name


def test_users_mistakes():
    with pytest.raises(ValueError, match='expected num_groups to divide channels=8 but got 3'):
        MaskedGroupNorm(8, 3)
    with pytest.raises(ValueError, match='expected stride to be 1 or 2 but got 3'):
        SGPBlock(16, stride=3)
    for window in (4, 0, -1):
        with pytest.raises(ValueError, match=f'window_size to be odd and > 0 but got {window}'):
            SGPBlock(16, window_size=window)
    with pytest.raises(ValueError, match=r'expected window_scale >= 1 but got 0\.5'):
        SGPBlock(16, window_scale=0.5)
