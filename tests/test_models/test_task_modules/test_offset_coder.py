"""decode(encode(x)) = x, and the distances by hand."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.task_modules import PointGenerator, decode_offsets, encode_offsets

POINTS = PointGenerator(strides=[1, 2, 4], regress_ranges=[(0, 1)] * 3)(
    (8, 4, 2), torch.device('cpu')
)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_inverse_both_ways(seed):
    torch.manual_seed(seed)
    segments = 50 * torch.randn(2, 14, 2)
    torch.testing.assert_close(decode_offsets(POINTS, encode_offsets(POINTS, segments)), segments)
    offsets = 10 * torch.randn(2, 14, 2)
    torch.testing.assert_close(encode_offsets(POINTS, decode_offsets(POINTS, offsets)), offsets)


def test_distances_are_in_strides():
    segments = torch.tensor([2.0, 10.0]).expand(1, 14, 2)
    offsets = encode_offsets(POINTS, segments)[0]
    assert offsets[3].tolist() == [1, 7]  # level 0, at 3
    assert offsets[8 + 2].tolist() == [1, 3]  # level 1, at 4
    assert offsets[8 + 4 + 1].tolist() == [0.5, 1.5]  # level 2, at 4
    assert offsets[0].tolist() == [-2, 10]  # outside
