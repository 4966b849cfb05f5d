from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.structures.windows import Windows, cut_windows, window_starts


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


def test_cut_by_hand():
    sequence = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    assert cut_windows(sequence, [0, 1], 2).tolist() == [
        [[1.0, 10.0], [2.0, 20.0]],
        [[2.0, 20.0], [3.0, 30.0]],
    ]
    assert cut_windows(sequence, [1], 3).tolist() == [[[2.0, 20.0], [3.0, 30.0], [0.0, 0.0]]]


@pytest.mark.parametrize(('per_batch', 'sizes'), [(1, [1, 1, 1, 1]), (3, [3, 1]), (9, [4])])
def test_as_many_at_a_time_as_go_together(per_batch, sizes):
    windows = Windows(4, 0.25, per_batch)
    sequence = torch.arange(11.0)[:, None]
    starts = windows.starts(11)
    assert starts == [0, 3, 6, 7]
    batches = list(windows.batches(sequence, starts))
    assert [len(batch) for batch, _ in batches] == sizes
    assert [start for batch, _ in batches for start in batch] == starts
    found = torch.cat([cut for _, cut in batches])[:, :, 0]
    assert found.tolist() == [[start + step for step in range(4)] for start in starts]


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ((0, 0.5, 1), 'window_length >= 1 but got 0'),
        ((4, 1.0, 1), r'window_overlap in \[0, 1\) but got 1.0'),
        ((4, -0.1, 1), r'window_overlap in \[0, 1\) but got -0.1'),
        ((4, float('nan'), 1), 'window_overlap in .* but got nan'),
        ((4, 0.5, 0), 'windows_per_batch >= 1 but got 0'),
    ],
)
def test_settings_of_a_model(settings, message):
    with pytest.raises(ValueError, match=f'expected {message}'):
        Windows(*settings)
