import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.evaluation.functional import Instances, average_precision, with_matches

TRUTH = [
    {'label': 'a', 'segment': [0.0, 4.0]},
    {'label': 'b', 'segment': [0.0, 4.0]},
    {'label': 'a', 'segment': [6.0, 10.0]},
]


def found(detections, tiou=0.5, truth=TRUTH):
    rows = [
        {'label': label, 'segment': segment, 'score': score} for label, segment, score in detections
    ]
    matched = with_matches(truth, rows, tiou)
    assert [{**row, 'match': None} for row in matched] == [{**row, 'match': None} for row in rows]
    return [row['match'] for row in matched]


def test_by_hand():
    # tIoU 0.5 and 0.75 with ground truth 0; the better score comes second.
    assert found([('a', [0, 2], 0.6), ('a', [0, 3], 0.9)]) == [None, 0]
    assert found([('a', [0, 2], 0.6), ('b', [0, 3], 0.9)]) == [0, 1]
    assert found([('a', [0, 1.9], 0.6), ('c', [0, 4], 0.9), ('a', [6, 9], 0.1)]) == [None, None, 2]
    assert found([('a', [6, 9], 0.1)], tiou=0.8) == [None]
    assert found([]) == []
    assert found([('a', [0, 4], 0.5)], truth=[]) == [None]


def test_proposals_find_any_class_and_each_ground_truth_once():
    rows = [(None, [0, 4], 0.9), (None, [0, 4], 0.8), (None, [0, 4], 0.7), (None, [6, 10], 0.6)]
    assert found(rows) == [0, 1, None, 2]


segments = st.tuples(st.integers(0, 8), st.integers(1, 6)).map(lambda s: [s[0], s[0] + s[1]])
rows = st.lists(st.tuples(st.sampled_from('ab'), segments, st.integers(0, 20)), max_size=8)


@given(rows, rows)
def test_what_is_found_gives_the_average_precision(truth, detections):
    """Precision and recall of the matches, step by step, are what average_precision counts."""
    truth = [{'label': label, 'segment': segment} for label, segment, _ in truth]
    matches = found(detections, truth=truth)
    for number, name in enumerate('ab'):
        own = [i for i in range(len(detections)) if detections[i][0] == name]
        own.sort(key=lambda i: -detections[i][2])
        hits = np.array([matches[i] is not None for i in own], dtype=bool)
        total = sum(row['label'] == name for row in truth)
        precision = np.cumsum(hits) / np.arange(1, len(own) + 1)
        expected = sum(precision[i:].max() for i in np.flatnonzero(hits)) / max(total, 1)
        ap = average_precision(columns(truth), columns(as_rows(detections)), 2, [0.5]).ap[0, number]
        assert ap == pytest.approx(expected, rel=1e-12)


def as_rows(detections):
    return [{'label': a, 'segment': b, 'score': c} for a, b, c in detections]


def columns(rows):
    return Instances(
        np.zeros(len(rows), dtype=int),
        np.array([row['segment'] for row in rows], dtype=float).reshape(-1, 2),
        np.array(['ab'.index(row['label']) for row in rows], dtype=int),
        np.array([row.get('score', 0) for row in rows], dtype=float),
    )


def test_a_threshold_outside_of_its_range_is_refused():
    with pytest.raises(ValueError, match=r'tIoU thresholds in \(0, 1\] but got \[0\.0\]'):
        with_matches(TRUTH, [], 0.0)
