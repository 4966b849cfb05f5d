"""Levels in one packed sequence see what each level sees alone."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.layers import MaskedConvTower, pack_pyramid


def levels_of(lengths, channels):
    masks = [torch.rand(2, length) < 0.8 for length in lengths]
    feats = [torch.randn(*mask.shape, channels) * mask.unsqueeze(-1) for mask in masks]
    return feats, masks


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    kernel_size=st.sampled_from([1, 3, 5]),
    seed=st.integers(0, 10**6),
)
def test_tower_on_the_packed_sequence_equals_each_level_alone(lengths, kernel_size, seed):
    torch.manual_seed(seed)
    feats, masks = levels_of(lengths, 4)
    tower = MaskedConvTower(4, 4, 3, kernel_size)
    for norm in tower.norms:
        torch.nn.init.normal_(norm.bias)
    packed = pack_pyramid(feats, masks, kernel_size)
    out = packed.unpack(tower(packed.feats, packed.mask))
    expected = torch.cat([tower(*level) for level in zip(feats, masks, strict=True)], dim=1)
    torch.testing.assert_close(out, expected)


def test_unpack_undoes_pack():
    feats, masks = levels_of([8, 4, 2], 3)
    packed = pack_pyramid(feats, masks, 5)
    assert packed.gap == 2
    assert packed.lengths == (8, 4, 2)
    assert packed.feats.shape == (2, 14 + 2 * 2, 3)
    assert torch.equal(packed.unpack(packed.feats), torch.cat(feats, 1))
    assert torch.equal(packed.unpack(packed.mask), torch.cat(masks, 1))
    assert not packed.mask[:, [8, 9, 14, 15]].any()
