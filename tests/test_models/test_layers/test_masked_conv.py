"""Masked convolution against torch's own on the video without its padding."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.layers import MaskedConv1d, MaskedConvTower


def padded_batch(videos, total):
    """Videos (T_n, C) -> (N, total, C) zero on padding, (N, total) mask."""
    x = torch.zeros(len(videos), total, videos[0].size(1))
    mask = torch.zeros(len(videos), total, dtype=torch.bool)
    for row, row_mask, video in zip(x, mask, videos, strict=True):
        row[: len(video)] = video
        row_mask[: len(video)] = True
    return x, mask


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    padding=st.integers(0, 9),
    kernel_size=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 10**6),
)
def test_equals_conv1d_of_each_video_alone(lengths, padding, kernel_size, stride, groups, seed):
    torch.manual_seed(seed)
    conv = MaskedConv1d(4, 8, kernel_size, stride=stride, groups=groups)
    torch.nn.init.normal_(conv.bias)
    videos = [torch.randn(length, 4) for length in lengths]
    total = max(lengths) + padding
    total += total % stride
    x, mask = padded_batch(videos, total)
    out = conv(x, mask[:, ::stride])
    assert out.shape == (len(videos), total // stride, 8)
    for row, video in zip(out, videos, strict=True):
        expected = F.conv1d(
            video.T, conv.weight, conv.bias, stride, kernel_size // 2, groups=groups
        ).T
        torch.testing.assert_close(row[: len(expected)], expected)
        assert (row[len(expected) :] == 0).all()


def test_no_gradient_from_padding():
    conv = MaskedConv1d(2, 2)
    x, mask = padded_batch([torch.randn(3, 2)], 6)
    x.requires_grad_()
    conv(x, mask).sum().backward()
    alone = x.detach()[:, :3].clone().requires_grad_()
    conv(alone, mask[:, :3]).sum().backward()
    torch.testing.assert_close(x.grad[:, :3], alone.grad)
    torch.testing.assert_close(conv.bias.grad, torch.full((2,), 6.0))  # 3 valid steps, twice


def test_tower_by_hand_and_padding():
    torch.manual_seed(0)
    tower = MaskedConvTower(3, 4, 2)
    for norm in tower.norms:
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)  # turns a padded zero into something: must be masked
    videos = [torch.randn(length, 3) for length in (5, 2)]
    x, mask = padded_batch(videos, 9)
    out = tower(x, mask)
    for row, video in zip(out, videos, strict=True):
        expected = video
        for conv, norm in zip(tower.convs, tower.norms, strict=True):
            expected = F.relu(norm(F.conv1d(expected.T, conv.weight, padding=1).T))
        torch.testing.assert_close(row[: len(video)], expected)
        assert (row[len(video) :] == 0).all()


def test_tower_without_layers_is_the_identity():
    x, mask = padded_batch([torch.randn(3, 2)], 4)
    assert torch.equal(MaskedConvTower(2, 2, 0)(x, mask), x)


def test_even_kernel_raises():
    with pytest.raises(ValueError, match='expected kernel_size to be odd but got 4'):
        MaskedConv1d(2, 2, 4)
