"""Projection and position encoding."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.projections import ConvProjection
from asl_mmaction.models.projections.conv_projection import SinusoidalPosition


def encoding_by_hand(position, channels):
    """sin and cos of falling rates, side by side, over sqrt(C)."""
    row = []
    for i in range(0, channels, 2):
        angle = position / 10000 ** (i / channels)
        row += [math.sin(angle), math.cos(angle)]
    return np.array(row) / math.sqrt(channels)


@settings(max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    padding=st.integers(0, 10),
    max_len=st.integers(2, 20),
)
def test_position_of_each_video_alone(lengths, padding, max_len):
    total = max(lengths) + padding
    mask = torch.arange(total) < torch.tensor(lengths)[:, None]
    out = SinusoidalPosition(4, max_len)(torch.ones(len(lengths), total, 4), mask)
    table = np.array([encoding_by_hand(t, 4) for t in range(max_len)])
    for row, length in zip(out, lengths, strict=True):
        # the trained positions, stretched over the video where it is longer than they are
        last = max(length, max_len) - 1
        position = np.arange(length) * (max_len - 1) / last
        for channel in range(4):
            expected = 1 + np.interp(position, np.arange(max_len), table[:, channel])
            np.testing.assert_allclose(row[:length, channel], expected, atol=1e-5)
        assert (row[length:] == 0).all()


def test_position_needs_even_width():
    with pytest.raises(ValueError, match='expected channels to be even but got 5'):
        SinusoidalPosition(5, 10)


def test_table_is_no_part_of_the_checkpoint():
    projection = ConvProjection(in_channels=3, out_channels=4, position_len=10)
    assert not [key for key in projection.state_dict() if 'position' in key]


def test_sources_are_projected_apart():
    torch.manual_seed(0)
    projection = ConvProjection(
        in_channels=[2, 3], out_channels=4, source_channels=[5, 6], num_convs=1
    )
    video = torch.randn(4, 5)
    x = torch.zeros(1, 8, 5)
    x[0, :4] = video
    mask = (torch.arange(8) < 4)[None]
    first, second = projection.sources
    joined = torch.cat([first(video[:, :2]), second(video[:, 2:])], dim=1)
    conv, norm = projection.tower.convs[0], projection.tower.norms[0]
    expected = F.relu(norm(F.conv1d(joined.T, conv.weight, padding=1).T))
    out = projection(x, mask)
    torch.testing.assert_close(out[0, :4], expected)
    assert (out[0, 4:] == 0).all()


def test_several_sources_without_widths_are_concatenated():
    projection = ConvProjection(in_channels=[2, 3], out_channels=4)
    assert projection.sources is None
    assert projection.tower.convs[0].weight.shape == (4, 5, 3)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    projection = ConvProjection(in_channels=8, out_channels=4, dropout=0.5)
    x, mask = torch.ones(1, 8, 8), torch.ones(1, 8, dtype=torch.bool)
    assert not torch.equal(projection(x, mask), projection(x, mask))
    projection.eval()
    assert torch.equal(projection(x, mask), projection(x, mask))


def test_users_mistakes():
    with pytest.raises(ValueError, match=r'one width for each of the 2 sources but got \[4\]'):
        ConvProjection(in_channels=[2, 3], out_channels=4, source_channels=[4])
    projection = ConvProjection(in_channels=[2, 3], out_channels=4)
    with pytest.raises(ValueError, match=r'expected features of width 5 .* but got 6'):
        projection(torch.ones(1, 4, 6), torch.ones(1, 4, dtype=torch.bool))


def test_without_convolutions_the_width_stays():
    assert ConvProjection(in_channels=4, out_channels=4, num_convs=0).out_channels == 4
    with pytest.raises(ValueError, match='num_convs >= 1, to get from width 6 to out_channels=4'):
        ConvProjection(in_channels=[2, 4], out_channels=4, num_convs=0)
