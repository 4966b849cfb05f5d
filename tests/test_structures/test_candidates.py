import numpy as np

from asl_mmaction.structures.candidates import Candidates, join_candidates

FIRST = Candidates(np.array([[0.0, 2.0], [1.0, 4.5]]), np.array([0.9, 0.2]), np.array([1, 0]), 5, 3)
SECOND = Candidates(np.array([[0.25, 1.0]]), np.array([0.5]), np.array([2]), 5, 4)


def test_windows_joined_by_hand():
    joined = join_candidates([FIRST.moved(0), SECOND.moved(8)])
    assert joined.segments.tolist() == [[0.0, 2.0], [1.0, 4.5], [8.25, 9.0]]
    assert joined.scores.tolist() == [0.9, 0.2, 0.5]
    assert joined.labels.tolist() == [1, 0, 2]
    assert (joined.limit, joined.left_out) == (10, 7)
    assert SECOND.segments.tolist() == [[0.25, 1.0]]  # what is moved stays


def test_no_window():
    joined = join_candidates([])
    assert joined.segments.shape == (0, 2)
    assert joined.scores.shape == joined.labels.shape == (0,)
    assert (joined.limit, joined.left_out) == (0, 0)


def test_types():
    for candidates in (join_candidates([FIRST, SECOND]), join_candidates([])):
        assert candidates.segments.dtype == candidates.scores.dtype == np.float64
        assert candidates.labels.dtype == np.int64
