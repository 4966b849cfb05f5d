from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.structures.windows import window_starts


@given(st.integers(1, 3000), st.integers(1, 400), st.floats(0, 0.99))
def test_every_step_is_covered(num_steps, length, overlap):
    starts = window_starts(num_steps, length, overlap)
    covered = np.zeros(num_steps, dtype=bool)
    for start in starts:
        assert start >= 0
        assert start + length <= max(num_steps, length)  # whole windows
        covered[start : start + length] = True
    assert covered.all()
    assert sorted(set(starts)) == starts
    # neighbours share what was asked for; a window moves on by one step at least
    shared = [length - (b - a) for a, b in pairwise(starts)]
    assert all(part >= overlap * length - 1e-6 or part == length - 1 for part in shared)


@given(st.integers(1, 2000), st.integers(2, 300), st.data())
def test_an_action_of_half_a_window_lies_whole_in_one(num_steps, length, data):
    size = data.draw(st.integers(1, max(1, min(length // 2, num_steps))))
    start = data.draw(st.integers(0, num_steps - size))
    starts = window_starts(num_steps, length, 0.5)
    assert any(first <= start and start + size <= first + length for first in starts)


def test_by_hand():
    assert window_starts(10, 4, 0.5) == [0, 2, 4, 6]
    assert window_starts(10, 4, 0.25) == [0, 3, 6]
    assert window_starts(11, 4, 0.25) == [0, 3, 6, 7]  # the tail
    assert window_starts(11, 4, 0) == [0, 4, 7]
    assert window_starts(4, 4, 0.5) == [0]
    assert window_starts(3, 4, 0.5) == [0]
    assert window_starts(5, 4, 0.5) == [0, 1]
    assert window_starts(3, 1, 0.9) == [0, 1, 2]
    assert window_starts(100, 10, 0.9)[:3] == [0, 1, 2]


@pytest.mark.parametrize('wrong', [(0, 4, 0.5), (4, 0, 0.5), (4, 4, 1.0), (4, 4, -0.1)])
def test_settings(wrong):
    with pytest.raises(ValueError, match='expected num_steps >= 1, length >= 1 and overlap'):
        window_starts(*wrong)
