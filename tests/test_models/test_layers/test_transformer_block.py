"""The block, its pooling and its residual paths."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.layers import ScaledDropPath, TransformerBlock, masked_max_pool
from asl_mmaction.ops.windowed_attention import attention_bias


def lively(module):
    for name, value in module.named_parameters():
        if value.dim() == 1:
            torch.nn.init.normal_(value, mean=float('weight' in name or 'scale' in name), std=0.3)
    return module


def padded(video, total):
    x = torch.zeros(1, total, video.size(1))
    x[0, : len(video)] = video
    return x, (torch.arange(total) < len(video))[None]


@settings(max_examples=40)
@given(length=st.integers(1, 15), padding=st.integers(0, 10), seed=st.integers(0, 10**6))
def test_max_pool_equals_torchs_on_the_unpadded_video(length, padding, seed):
    torch.manual_seed(seed)
    video = torch.randn(length, 3) - 3  # mostly negative: a padded zero would win
    x, mask = padded(video, (length + padding + 1) // 2 * 2)
    out = masked_max_pool(x, mask)[0]
    expected = F.max_pool1d(video.T, 3, stride=2, padding=1).T
    assert torch.equal(out[: len(expected)], expected)
    assert (out[len(expected) :] == 0).all()


def test_a_branch_that_is_always_dropped_is_refused():
    with pytest.raises(ValueError, match=r'expected drop_path in \[0, 1\) but got 1'):
        ScaledDropPath(4, 1.0)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_max_pool_of_nothing_is_zero(dtype):
    x = torch.ones(1, 4, 2, dtype=dtype)
    assert torch.equal(
        masked_max_pool(x, torch.zeros(1, 4, dtype=torch.bool)), torch.zeros(1, 2, 2, dtype=dtype)
    )


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('theta', [0.0, 0.2, 0.7])
def test_block_is_the_formula(theta, stride):
    torch.manual_seed(0)
    block = lively(TransformerBlock(4, 2, stride=stride, theta=theta)).eval()
    video = torch.randn(7, 4)
    x, mask = padded(video, 12)
    out_mask = mask[:, ::stride]
    out, returned_mask = block(x, mask, attention_bias(out_mask, None))
    assert torch.equal(returned_mask, out_mask)

    alone = torch.ones(1, 7 + 7 % stride, dtype=torch.bool)  # only its real end is padding
    alone[:, 7:] = False
    short = torch.zeros(1, alone.size(1), 4)
    short[0, :7] = block.attn_norm(video)
    valid = alone[:, ::stride]
    mixed = block.temporal_attention(short, valid, attention_bias(valid, None))[0]
    if theta:
        mixed = (1 - theta) * mixed + theta * block.channel_attention(short, valid)[0]
    skip = video if stride == 1 else F.max_pool1d(video.T, 3, stride=2, padding=1).T
    middle = skip + block.attn_path.scale * mixed
    first, second = block.mlp[0], block.mlp[3]
    hidden = F.gelu(block.mlp_norm(middle) @ first.weight.T + first.bias)
    expected = middle + block.mlp_path.scale * (hidden @ second.weight.T + second.bias)
    torch.testing.assert_close(out[0, : len(expected)], expected)
    assert (out[0, len(expected) :] == 0).all()
    assert block.mlp[0].out_features == 16


def test_theta_zero_has_no_channel_attention():
    names = [name for name, _ in TransformerBlock(4, 2, theta=0.0).named_parameters()]
    assert not [name for name in names if 'channel' in name]
    names = [name for name, _ in TransformerBlock(4, 2, theta=0.2).named_parameters()]
    assert [name for name in names if 'channel' in name]


def test_layer_scale_starts_at_1e_4():
    path = ScaledDropPath(3, 0.5).eval()
    out = path(torch.full((2, 5, 3), 0.5), torch.ones(2, 5, 3))
    torch.testing.assert_close(out, torch.full((2, 5, 3), 0.5001))


def test_drop_path_drops_whole_videos_and_keeps_the_mean():
    torch.manual_seed(0)
    path = ScaledDropPath(2, 0.25)
    torch.nn.init.ones_(path.scale)
    out = path(torch.full((4000, 3, 2), 2.0), torch.ones(4000, 3, 2)) - 2
    per_video = out.flatten(1)
    assert (per_video == per_video[:, :1]).all()
    assert sorted(set(per_video[:, 0].tolist())) == pytest.approx([0.0, 4 / 3])
    assert abs(per_video[:, 0].mean() - 1) < 0.05
    assert torch.equal(
        path.eval()(torch.ones(1, 3, 2), torch.ones(1, 3, 2)), torch.full((1, 3, 2), 2.0)
    )


def test_users_mistakes():
    with pytest.raises(ValueError, match=r'expected theta in \[0, 1\) but got 1.0'):
        TransformerBlock(4, 2, theta=1.0)
    with pytest.raises(ValueError, match='expected stride to be 1 or 2 but got 4'):
        TransformerBlock(4, 2, stride=4)
