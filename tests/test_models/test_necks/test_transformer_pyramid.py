"""The pyramid: its levels, its masks, its theta."""

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.necks import TransformerPyramid
from asl_mmaction.ops.windowed_attention import attention_bias


def lively(neck):
    for name, value in neck.named_parameters():
        if name.endswith('_path.scale'):
            torch.nn.init.uniform_(value, 0.5, 1)
        elif name.endswith('bias'):
            torch.nn.init.normal_(value, std=0.3)
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
    theta=st.sampled_from([0.0, 0.2]),
    window_size=st.sampled_from([None, 5, [7, None, 3]]),
    causal=st.sampled_from([None, 'split']),
    top_down=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_padding_and_batching_change_nothing(
    training, lengths, padding, theta, window_size, causal, top_down, seed
):
    torch.manual_seed(seed)
    neck = lively(
        TransformerPyramid(
            channels=8,
            num_heads=2,
            num_levels=3,
            stem_depth=1,
            theta=theta,
            channel_groups=2,
            window_size=window_size,
            causal=causal,
            top_down=top_down,
        )
    ).train(training)
    videos = [torch.randn(length, 8) for length in lengths]
    feats, masks = neck(*padded(videos, (max(lengths) + 3) // 4 * 4 + 4 * padding))
    for index, video in enumerate(videos):
        alone_feats, alone_masks = neck(*padded([video], (len(video) + 3) // 4 * 4))
        for level, (alone, alone_mask) in enumerate(zip(alone_feats, alone_masks, strict=True)):
            steps = -(-len(video) // 2**level)
            assert alone_mask.sum() == masks[level][index].sum() == steps
            torch.testing.assert_close(feats[level][index, :steps], alone[0, :steps])
            assert (feats[level][index, steps:] == 0).all()


@pytest.mark.parametrize('causal', [None, 'split'])
@pytest.mark.parametrize('window_size', [None, 3, [5, None, 3]])
def test_levels_are_blocks_then_one_norm_each(window_size, causal):
    torch.manual_seed(0)
    neck = lively(
        TransformerPyramid(
            channels=4, num_heads=2, num_levels=3, window_size=window_size, causal=causal
        )
    )
    x, mask = padded([torch.randn(13, 4), torch.randn(6, 4)], 16)
    feats, masks = neck(x, mask)
    windows = window_size if isinstance(window_size, list) else [window_size] * 3
    assert len(neck.stem) == 2
    heads = 2 if causal else 0
    for block in neck.stem:
        x, _ = block(x, mask, attention_bias(mask, windows[0], heads))
    for level in range(3):
        if level:
            bias = attention_bias(mask[:, ::2], windows[level], heads)
            x, mask = neck.branch[level - 1](x, mask, bias)
        assert torch.equal(masks[level], mask)
        expected = neck.norms[level](x) * mask.unsqueeze(-1)
        torch.testing.assert_close(feats[level], expected)


def test_top_down_path_by_hand():
    torch.manual_seed(0)
    plain = lively(TransformerPyramid(channels=4, num_heads=2, num_levels=2))
    neck = lively(TransformerPyramid(channels=4, num_heads=2, num_levels=2, top_down=True))
    neck.load_state_dict(plain.state_dict(), strict=False)
    x, mask = padded([torch.randn(7, 4)], 8)
    (fine, coarse), masks = plain.build_levels(x, mask)
    fine, coarse = fine[0, :7], coarse[0, :4]  # no step of a coarse level is padding only
    coarse = neck.lateral[1](coarse)
    fine = neck.lateral[0](fine) + coarse.repeat_interleave(2, dim=0)[:7]
    outs = []
    for level, part in enumerate((fine, coarse)):
        conv = neck.smooth[level]
        smooth = F.conv1d(part.T, conv.weight, conv.bias, padding=1, groups=4).T
        outs.append(neck.norms[level](smooth))
    feats, returned_masks = neck(x, mask)
    torch.testing.assert_close(feats[0][0, :7], outs[0])
    torch.testing.assert_close(feats[1][0], outs[1])
    assert [m.sum().item() for m in returned_masks] == [m.sum().item() for m in masks] == [7, 4]


def test_theta_zero_is_the_plain_encoder_to_the_bit():
    torch.manual_seed(0)
    mixed = lively(TransformerPyramid(channels=4, num_heads=2, num_levels=2, theta=0.2))
    plain = TransformerPyramid(channels=4, num_heads=2, num_levels=2, theta=0.0)
    assert not [name for name, _ in plain.named_parameters() if 'channel_attention' in name]
    missing, unexpected = plain.load_state_dict(mixed.state_dict(), strict=False)
    assert missing == []
    assert unexpected
    assert all('channel_attention' in name for name in unexpected)
    x, mask = padded([torch.randn(8, 4)], 8)
    assert not torch.equal(mixed(x, mask)[0][0], plain(x, mask)[0][0])
    for block in [*mixed.stem, *mixed.branch]:
        block.theta = 0.0  # the branch is switched off, whatever its weights
    for a, b in zip(mixed(x, mask)[0], plain(x, mask)[0], strict=True):
        assert torch.equal(a, b)


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    neck = lively(
        TransformerPyramid(channels=4, num_heads=2, num_levels=2, theta=0.2, top_down=True)
    )
    feats, _ = neck(*padded([torch.randn(8, 4)], 8))
    sum((feat * torch.randn_like(feat)).sum() for feat in feats).backward()
    assert [name for name, p in neck.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('window_size', [None, 3])
def test_causal_attention_reads_nothing_back_from_the_device(window_size):
    """On a device that has no values."""
    neck = TransformerPyramid(
        channels=4, num_heads=2, num_levels=2, window_size=window_size, causal='split'
    ).to('meta')
    feats, _ = neck(torch.empty(1, 8, 4, device='meta'), torch.empty(1, 8, device='meta').bool())
    sum(feat.sum() for feat in feats).backward()
    assert {value.grad.device.type for value in neck.parameters()} == {'meta'}


def test_every_block_is_as_the_settings_say():
    neck = TransformerPyramid(
        channels=4,
        num_heads=2,
        num_levels=3,
        stem_depth=1,
        theta=0.3,
        channel_groups=4,
        mlp_ratio=3.0,
        dropout=0.1,
        attn_dropout=0.2,
        drop_path=0.4,
    )
    blocks = [*neck.stem, *neck.branch]
    assert [block.stride for block in blocks] == [1, 2, 2]
    for block in blocks:
        assert block.theta == 0.3
        assert block.temporal_attention.num_heads == 2
        assert block.channel_attention.num_groups == 4
        assert block.mlp[0].out_features == 12
        temporal, channel = block.temporal_attention, block.channel_attention
        assert (temporal.attn_dropout, temporal.dropout.p) == (0.2, 0.1)
        assert (channel.attn_dropout.p, channel.dropout.p) == (0.2, 0.1)
        assert (block.mlp[2].p, block.mlp[4].p) == (0.1, 0.1)
        assert (block.attn_path.drop_prob, block.mlp_path.drop_prob) == (0.4, 0.4)


def test_users_mistakes():
    neck = TransformerPyramid(channels=4, num_heads=2, num_levels=3)
    with pytest.raises(ValueError, match=r'length divisible by 4 .* but got 6; set size_divisor=4'):
        neck(torch.zeros(1, 6, 4), torch.ones(1, 6, dtype=torch.bool))
    for name, value in (
        ('num_levels', 0),
        ('num_heads', 0),
        ('channel_groups', 0),
        ('channels', -4),
        ('channels', 4.0),
        ('channels', '4'),
    ):
        message = f'expected {name} to be a whole number >= 1 but got {value!r}'
        with pytest.raises(ValueError, match=message):
            TransformerPyramid(**{'channels': 4, name: value})
    for value in ('past', True, ['split']):
        message = re.escape(f"expected causal to be None or 'split' but got {value!r}")
        with pytest.raises(ValueError, match=message):
            TransformerPyramid(channels=4, causal=value)
    with pytest.raises(ValueError, match="an even num_heads for causal='split' but got 3"):
        TransformerPyramid(channels=6, num_heads=3, causal='split')
    with pytest.raises(ValueError, match=r'one value for each of the 3 levels but got \[5, 3\]'):
        TransformerPyramid(channels=4, num_levels=3, window_size=[5, 3])
