"""The pyramid of TriDet: its levels and its masks."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.necks import SGPPyramid


def make(**kwargs):
    """Every part of it matters: weights, biases and layer scales are not what they start as."""
    neck = SGPPyramid(channels=8, num_levels=3, num_groups=2, **kwargs)
    for name, value in neck.named_parameters():
        scale_like = 'scale' in name or ('norm' in name and 'weight' in name)
        torch.nn.init.normal_(value, mean=float(scale_like), std=0.3)
    return neck


def padded(videos, total):
    x = torch.zeros(len(videos), total, videos[0].size(1))
    for row, video in zip(x, videos, strict=True):
        row[: len(video)] = video
    return x, torch.arange(total) < torch.tensor([len(v) for v in videos])[:, None]


@pytest.mark.parametrize('training', [False, True])
@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    padding=st.integers(0, 6),
    window_size=st.sampled_from([1, 5, [1, 3, 5]]),
    window_scale=st.sampled_from([1.5, 4]),
    top_down=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_padding_and_batching_change_nothing(
    training, lengths, padding, window_size, window_scale, top_down, seed
):
    torch.manual_seed(seed)
    neck = make(window_size=window_size, window_scale=window_scale, top_down=top_down)
    neck.train(training)
    videos = [torch.randn(length, 8) for length in lengths]
    feats, masks = neck(*padded(videos, (max(lengths) + 3) // 4 * 4 + 4 * padding))
    for index, video in enumerate(videos):
        alone_feats, alone_masks = neck(*padded([video], (len(video) + 3) // 4 * 4))
        for level, (alone, alone_mask) in enumerate(zip(alone_feats, alone_masks, strict=True)):
            steps = -(-len(video) // 2**level)
            assert alone_mask.sum() == masks[level][index].sum() == steps
            torch.testing.assert_close(feats[level][index, :steps], alone[0, :steps])
            assert (feats[level][index, steps:] == 0).all()


def test_levels_are_blocks_then_one_norm_each():
    torch.manual_seed(0)
    neck = make(window_size=[1, 3, 5], window_scale=2)
    assert [block.short.kernel_size for block in (*neck.stem, *neck.branch)] == [1, 1, 3, 5]
    assert [block.stride for block in (*neck.stem, *neck.branch)] == [1, 1, 2, 2]
    x, mask = padded([torch.randn(13, 8), torch.randn(6, 8)], 16)
    feats, masks = neck(x, mask)
    for block in neck.stem:
        x, _ = block(x, mask)
    for level in range(3):
        if level:
            x, mask = neck.branch[level - 1](x, mask)
        assert torch.equal(masks[level], mask)
        torch.testing.assert_close(feats[level], neck.norms[level](x) * mask.unsqueeze(-1))


def test_top_down_path_by_hand():
    torch.manual_seed(0)
    neck = make(window_size=3, top_down=True)
    x, mask = padded([torch.randn(16, 8)], 16)
    levels, _ = neck.build_levels(x, mask)
    parts = [layer(level[0]) for layer, level in zip(neck.lateral, levels, strict=True)]
    for level in (1, 0):
        parts[level] = parts[level] + parts[level + 1].repeat_interleave(2, dim=0)
    for level, (part, found) in enumerate(zip(parts, neck(x, mask)[0], strict=True)):
        conv = neck.smooth[level]
        smooth = F.conv1d(part.T, conv.weight, conv.bias, padding=1, groups=8).T
        torch.testing.assert_close(found[0], neck.norms[level](smooth))


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    neck = make(window_size=3, top_down=True)
    feats, _ = neck(*padded([torch.randn(8, 8), torch.randn(5, 8)], 8))
    sum((feat * torch.randn_like(feat)).sum() for feat in feats).backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in neck.parameters())


def test_users_mistakes():
    with pytest.raises(ValueError, match='expected num_groups to be a whole number >= 1 but got 0'):
        SGPPyramid(channels=16, num_groups=0)
    with pytest.raises(ValueError, match=r'one value for each of the 3 levels but got \[5, 3\]'):
        SGPPyramid(channels=16, num_levels=3, window_size=[5, 3])
    neck = SGPPyramid(channels=16, num_levels=3)
    with pytest.raises(ValueError, match=r'length divisible by 4 .* but got 6; set size_divisor=4'):
        neck(torch.zeros(1, 6, 16), torch.ones(1, 6, dtype=torch.bool))
