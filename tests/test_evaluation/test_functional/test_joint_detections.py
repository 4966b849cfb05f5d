import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.evaluation.functional import Instances, join_detections


def instances(rows):
    """Rows (video, start, end, label, score)."""
    table = np.array(rows, dtype=float).reshape(-1, 5)
    return Instances(table[:, 0].astype(int), table[:, 1:3], table[:, 3].astype(int), table[:, 4])


def test_by_hand():
    verbs = instances([(0, 0, 10, 1, 0.6), (0, 50, 60, 0, 0.5), (1, 0, 10, 2, 0.9)])
    nouns = instances([(0, 0, 8, 3, 0.2), (0, 0, 4, 4, 0.9), (2, 0, 10, 0, 0.9)])
    joined = join_detections(verbs, nouns, 3, 5, min_tiou=0.5)
    # Only the first two agree: tIoU 0.8; weights 3/4 and 1/4 of the ends 10 and 8.
    assert joined.videos.tolist() == [0]
    assert joined.labels.tolist() == [1 * 5 + 3]
    np.testing.assert_allclose(joined.segments, [[0, 9.5]])
    np.testing.assert_allclose(joined.scores, [0.6 * 0.2 * 0.8])
    assert joined.videos.dtype == joined.labels.dtype == np.int64


def test_half_is_enough_by_default():
    verbs = instances([(0, 0, 10, 0, 0.5)])
    nouns = instances([(0, 0, 5, 0, 0.5), (0, 0, 4.75, 1, 0.5)])
    assert join_detections(verbs, nouns, 1, 2).labels.tolist() == [0]


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from([0.2, 0.5]),
    st.sampled_from([1, 4, 100]),
)
def test_matches_plain_loops(seed, num_verbs, num_nouns, min_tiou, limit):
    rng = np.random.default_rng(seed)

    def draw(count):
        starts = rng.uniform(0, 10, count)
        return instances(
            np.column_stack(
                [
                    rng.integers(0, 3, count),
                    starts,
                    starts + rng.exponential(5, count),
                    rng.integers(0, 4, count),
                    rng.random(count),
                ]
            )
        )

    verbs, nouns = draw(num_verbs), draw(num_nouns)
    expected = []
    for video in range(3):
        own = []
        for v, (s, e), verb, a in zip(*verbs, strict=True):
            for w, (s2, e2), noun, b in zip(*nouns, strict=True):
                tiou = max(min(e, e2) - max(s, s2), 0) / (max(e, e2) - min(s, s2))
                if v == w == video and tiou >= min_tiou:
                    start, end = (a * s + b * s2) / (a + b), (a * e + b * e2) / (a + b)
                    own.append((video, start, end, verb * 4 + noun, a * b * tiou))
        expected += sorted(own, key=lambda row: -row[4])[:limit]
    joined = join_detections(verbs, nouns, 4, 4, min_tiou=min_tiou, max_per_video=limit)
    for ours, theirs in zip(joined, instances(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_scores_of_zero_count_evenly():
    joined = join_detections(instances([(0, 0, 10, 0, 0)]), instances([(0, 0, 8, 0, 0)]), 1, 1)
    assert joined.segments.tolist() == [[0, 9]]
    assert joined.scores.tolist() == [0]


def test_wrong_arguments_are_named():
    one = instances([(0, 0, 10, 1, 0.5)])
    with pytest.raises(ValueError, match=r'min_tiou in \(0, 1\] but got 0'):
        join_detections(one, one, 2, 2, min_tiou=0)
    with pytest.raises(ValueError, match='max_per_video >= 1 but got 0'):
        join_detections(one, one, 2, 2, max_per_video=0)
    with pytest.raises(ValueError, match=r'labels of second detections in \[0, 1\) but got \[1\]'):
        join_detections(one, one, 2, 1)
    with pytest.raises(ValueError, match='scores >= 0'):
        join_detections(one, one._replace(scores=np.array([-1.0])), 2, 2)
