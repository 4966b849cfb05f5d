import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asl_mmaction.structures.segments import (
    clip_segments,
    paired_tiou,
    segment_centers,
    segment_durations,
    segment_tiou,
)
from tests.references import slow_tiou

# Whole numbers make touching, equal, zero-length and reversed segments common.
segments_of = st.integers(0, 6).flatmap(
    lambda n: arrays(np.float64, (n, 2), elements=st.integers(-5, 5).map(float))
)


@given(segments_of, segments_of)
def test_tiou_matches_the_slow_reference(a, b):
    expected = np.array([[slow_tiou(x, y) for y in b] for x in a]).reshape(len(a), len(b))
    np.testing.assert_allclose(segment_tiou(a, b), expected, rtol=1e-12)
    tensor = segment_tiou(torch.from_numpy(a), torch.from_numpy(b))
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-12)
    few = min(len(a), len(b))
    np.testing.assert_allclose(
        paired_tiou(a[:few], b[:few]), np.diag(expected[:few, :few]), rtol=1e-12
    )


# Differences of these are normal numbers or zero.
floats = st.floats(-1e6, 1e6, width=32).map(lambda value: value if abs(value) > 1e-30 else 0.0)


@given(arrays(np.float32, (8, 2), elements=floats))
def test_tiou_stays_within_zero_and_one(a):
    tiou = segment_tiou(a, a)
    assert tiou.dtype == np.float32
    assert ((tiou >= 0) & (tiou <= 1)).all()
    positive = a[:, 1] > a[:, 0]
    np.testing.assert_array_equal(np.diag(tiou), positive.astype(np.float32))


def test_tiou_by_hand():
    a = np.array([[0.0, 10.0], [2.0, 2.0], [8.0, 4.0]])
    b = np.array([[5.0, 15.0], [10.0, 12.0], [0.0, 10.0], [2.0, 2.0]])
    np.testing.assert_array_equal(
        segment_tiou(a, b), [[5 / 15, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    )


def test_tiou_has_a_finite_gradient_where_segments_degenerate_or_do_not_meet():
    a = torch.tensor([[0.0, 4.0], [1.0, 1.0], [0.0, 1.0]], requires_grad=True)
    b = torch.tensor([[2.0, 6.0], [1.0, 1.0], [5.0, 6.0]])
    paired_tiou(a, b).sum().backward()
    # tIoU = (4 - 2) / (6 - 0): d/d end = 1/6, d/d start = 2/36.
    torch.testing.assert_close(a.grad, torch.tensor([[2 / 36, 1 / 6], [0.0, 0.0], [0.0, 0.0]]))


@pytest.mark.parametrize('kind', [np.array, torch.tensor])
def test_clip_centers_durations_by_hand(kind):
    segments = kind([[-2.0, 4.0], [3.0, 12.0], [11.0, 13.0]])
    clipped = clip_segments(segments, 0.0, 10.0)
    assert type(clipped) is type(segments)
    assert clipped.tolist() == [[0.0, 4.0], [3.0, 10.0], [10.0, 10.0]]
    assert segments.tolist()[0] == [-2.0, 4.0]
    assert segment_centers(segments).tolist() == [1.0, 7.5, 12.0]
    assert segment_durations(segments).tolist() == [6.0, 9.0, 2.0]


def test_empty_inputs():
    empty = np.zeros((0, 2))
    assert segment_tiou(empty, np.zeros((3, 2))).shape == (0, 3)
    assert segment_centers(empty).shape == (0,)
    assert clip_segments(empty, 0, 1).shape == (0, 2)


def test_wrong_arguments_are_named():
    with pytest.raises(
        ValueError, match=r'expected segments of shape \(\.\.\., 2\) but got \(4,\)'
    ):
        segment_durations(np.zeros(4))
    with pytest.raises(TypeError, match='but got list'):
        segment_centers([[0.0, 1.0]])
