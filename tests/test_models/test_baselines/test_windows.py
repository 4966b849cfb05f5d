"""Windows cover every step, hold the right steps, and know where they are."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.models.baselines.windows import (
    check_window_stride,
    cut_window,
    to_window,
    window_starts,
)


@given(st.data())
def test_every_step_and_every_short_action_is_in_a_window(data):
    window = data.draw(st.integers(1, 30))
    stride = data.draw(st.integers(1, window))
    num_steps = data.draw(st.integers(1, 200))
    starts = window_starts(num_steps, window, stride)
    assert starts == sorted(set(starts))
    covered = {step for start in starts for step in range(start, start + window)}
    assert set(range(num_steps)) <= covered
    if num_steps >= window:
        assert max(covered) == num_steps - 1  # no window needs padding
    length = min(window - stride, num_steps)
    for first in range(num_steps - length + 1):
        assert any(start <= first and first + length <= start + window for start in starts)


def test_starts_by_hand():
    assert window_starts(10, 4, 2) == [0, 2, 4, 6]
    assert window_starts(11, 4, 3) == [0, 3, 6, 7]
    assert window_starts(4, 4, 1) == [0]
    assert window_starts(2, 4, 4) == [0]


@pytest.mark.parametrize('stride', [0, -1, 5])
def test_a_stride_that_leaves_steps_out_is_refused(stride):
    with pytest.raises(ValueError, match=rf'in \[1, 4\] but got {stride}'):
        check_window_stride(4, stride)


def test_cut_by_hand():
    feature = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    assert cut_window(feature, 1, 2).tolist() == [[2.0, 3.0], [20.0, 30.0]]
    assert cut_window(feature, 1, 4).tolist() == [[2.0, 3.0, 0.0, 0.0], [20.0, 30.0, 0.0, 0.0]]


def test_parts_of_the_window_by_hand():
    # Steps 0..3 of 4 fill quarters; what sticks out on either side, or into the padding, is cut.
    grid = torch.tensor([[-0.5, 0.5], [0.0, 3.5], [-2.0, 9.0]])
    assert to_window(grid, 4, 4).tolist() == [[0.0, 0.25], [0.125, 1.0], [0.0, 1.0]]
    assert to_window(grid, 4, 2).tolist() == [[0.0, 0.25], [0.125, 0.5], [0.0, 0.5]]
