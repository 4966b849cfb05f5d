import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.ops.soft_nms import soft_nms
from tests.references import slow_soft_nms, slow_vote


@st.composite
def candidates(draw):
    """Segments on a coarse grid (full of ties) or anywhere, classes of even or uneven size."""
    count = draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = draw(st.booleans())
    classes = draw(st.integers(1, 6))
    if coarse:
        starts, lengths = rng.integers(0, 12, count) * 1.0, rng.integers(0, 8, count) * 1.0
        scores = rng.integers(0, 9, count) / 8
    else:
        starts, lengths = rng.uniform(-20, 50, count), rng.exponential(10, count)
        scores = rng.uniform(0, 1, count)
    labels = rng.integers(0, classes, count)
    if draw(st.booleans()):
        labels[rng.random(count) < 0.7] = 0
    return np.stack([starts, starts + lengths], axis=1), scores, labels


@st.composite
def all_options(draw):
    return {
        'method': draw(st.sampled_from(['gaussian', 'linear', 'hard'])),
        'sigma': draw(st.sampled_from([0.001, 0.1, 0.5, 2.0])),
        'iou_threshold': draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        'min_score': draw(st.sampled_from([0.0, 0.001, 0.25])),
        'max_per_video': draw(st.sampled_from([1, 3, 10, 200])),
    }


@settings(max_examples=400, deadline=None)
@given(candidates(), all_options(), st.booleans())
def test_keeps_what_class_by_class_and_then_the_best_keep(video, options, agnostic):
    segments, scores, labels = video
    result = soft_nms(segments, scores, None if agnostic else labels, **options)
    rivals = np.zeros_like(labels) if agnostic else labels
    indices, kept_scores = slow_soft_nms(segments, scores, rivals, options)
    assert result.indices.tolist() == indices
    np.testing.assert_allclose(result.scores, kept_scores, rtol=1e-12)
    np.testing.assert_array_equal(result.segments, segments[indices])
    if agnostic:
        assert result.labels is None
    else:
        assert result.labels.tolist() == labels[indices].tolist()


@settings(max_examples=200, deadline=None)
@given(candidates(), st.sampled_from([0.05, 0.3, 0.75, 1.0]), st.booleans())
def test_voting_is_the_score_weighted_mean_of_those_that_agree(video, threshold, agnostic):
    segments, scores, labels = video
    result = soft_nms(segments, scores, None if agnostic else labels, voting_threshold=threshold)
    plain = soft_nms(segments, scores, None if agnostic else labels)
    rivals = np.zeros_like(labels) if agnostic else labels
    expected = slow_vote(segments, scores, rivals, plain.indices, threshold)
    np.testing.assert_array_equal(result.indices, plain.indices)
    np.testing.assert_allclose(result.segments, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(candidates(), all_options(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_decides_nothing(video, options, random):
    segments, scores, labels = video
    shuffled = np.array(random.sample(range(len(scores)), len(scores)), dtype=np.int64)
    result = soft_nms(segments, scores, labels, **options)
    again = soft_nms(segments[shuffled], scores[shuffled], labels[shuffled], **options)
    np.testing.assert_array_equal(again.segments, result.segments)
    np.testing.assert_array_equal(again.scores, result.scores)


@settings(deadline=None)
@given(candidates(), all_options())
def test_a_lower_limit_keeps_the_head_of_the_same_list(video, options):
    everything = soft_nms(*video, **{**options, 'max_per_video': 1000})
    some = soft_nms(*video, **options)
    assert some.indices.tolist() == everything.indices[: options['max_per_video']].tolist()
    assert (np.diff(everything.scores) <= 0).all()


def test_large_video_matches_the_slow_reference():
    """Many classes of many sizes."""
    rng = np.random.default_rng(7)
    starts = rng.uniform(0, 300, 1500)
    segments = np.stack([starts, starts + rng.exponential(20, 1500)], axis=1)
    labels = np.minimum(rng.geometric(0.3, 1500) - 1, 11)
    labels[::3] = rng.integers(12, 36, 500)
    scores = rng.random(1500)
    for limit in (40, 600):
        options = {
            'method': 'gaussian',
            'sigma': 0.4,
            'iou_threshold': 0.1,
            'min_score': 0.01,
            'max_per_video': limit,
        }
        result = soft_nms(segments, scores, labels, **options)
        indices, kept_scores = slow_soft_nms(segments, scores, labels, options)
        assert len(indices) == limit
        assert result.indices.tolist() == indices
        np.testing.assert_allclose(result.scores, kept_scores, rtol=1e-12)


def test_large_classes_match_the_slow_reference():
    rng = np.random.default_rng(8)
    starts = rng.uniform(0, 900, 2300)
    segments = np.stack([starts, starts + rng.exponential(20, 2300)], axis=1)
    labels = np.repeat([3, 8, 3, 8], [600, 500, 500, 700])
    scores = rng.random(2300)
    options = {
        'method': 'hard',
        'sigma': 0.5,
        'iou_threshold': 0.2,
        'min_score': 0.001,
        'max_per_video': 150,
    }
    result = soft_nms(segments, scores, labels, **options)
    assert result.indices.tolist() == slow_soft_nms(segments, scores, labels, options)[0]


SEGMENTS = np.array([[0.0, 10.0], [5.0, 15.0], [20.0, 30.0], [0.0, 10.0]])
SCORES = np.array([0.9, 0.8, 0.5, 0.6])


@pytest.mark.parametrize(
    ('method', 'indices', 'scores'),
    [
        # tIoU(0, 1) = 5 / 15, tIoU(0, 3) = 1, tIoU(1, 3) = 1 / 3.
        (
            'gaussian',
            [0, 1, 2, 3],
            [0.9, 0.8 * np.exp(-2 / 9), 0.5, 0.6 * np.exp(-2) * np.exp(-2 / 9)],
        ),
        ('linear', [0, 1, 2], [0.9, 0.8 * 2 / 3, 0.5]),
        ('hard', [0, 2], [0.9, 0.5]),
    ],
)
def test_factors_by_hand(method, indices, scores):
    result = soft_nms(SEGMENTS, SCORES, method=method, sigma=0.5)
    assert result.indices.tolist() == indices
    np.testing.assert_allclose(result.scores, scores, rtol=1e-12)


def test_a_score_lowered_to_that_of_an_earlier_segment_waits_for_it():
    segments = np.array([[10.0, 20.0], [10.0, 30.0], [-100.0, -90.0], [5.0, 30.0]])
    scores = np.array([1.0, 0.5, 0.25, 0.25])
    # tIoU(0, 1) = 0.5, tIoU(0, 3) = 0.4, tIoU(1, 3) = 0.8
    result = soft_nms(segments, scores, method='linear', iou_threshold=0.45)
    assert result.indices.tolist() == [0, 2, 3, 1]
    np.testing.assert_allclose(result.scores, [1.0, 0.25, 0.25, 0.05], rtol=1e-12)


def test_equal_scores_go_by_start_then_end_then_position_also_between_classes():
    segments = np.array([[5.0, 9.0], [5.0, 8.0], [0.0, 99.0], [5.0, 8.0], [5.0, 8.0]])
    for limit in range(1, 6):
        labels = np.array([7, -3, 9, 12, -5])
        result = soft_nms(segments, np.full(5, 0.5), labels, max_per_video=limit)
        assert result.indices.tolist() == [2, 1, 3, 4, 0][:limit]


@settings(deadline=None)
@given(candidates(), all_options())
def test_a_score_that_falls_to_min_score_and_not_below_it_is_kept(video, options):
    everything = soft_nms(*video, **{**options, 'min_score': 0.0})
    for count, score in enumerate(everything.scores, 1):
        kept = soft_nms(*video, **{**options, 'min_score': score})
        assert len(kept.scores) == np.count_nonzero(everything.scores >= score) >= count


def test_labels_are_names_not_numbers():
    segments, labels = np.tile(SEGMENTS, (2, 1)), np.repeat([2**62, -(2**63) + 1], 4)
    expected = soft_nms(segments, np.tile(SCORES, 2), np.repeat([1, 0], 4), voting_threshold=0.3)
    result = soft_nms(segments, np.tile(SCORES, 2), labels, voting_threshold=0.3)
    for name in ('segments', 'scores', 'indices'):
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))
    assert result.labels.tolist() == labels[expected.indices].tolist()


def test_voting_by_hand():
    result = soft_nms(SEGMENTS, SCORES, method='hard', voting_threshold=0.3)
    total = 0.9 + 0.8 + 0.6
    np.testing.assert_allclose(
        result.segments, [[0.8 * 5 / total, 10 + 0.8 * 5 / total], [20.0, 30.0]], rtol=1e-12
    )
    apart = soft_nms(SEGMENTS, SCORES, np.array([0, 1, 0, 1]), voting_threshold=0.3)
    np.testing.assert_array_equal(apart.segments[0], [0.0, 10.0])


def test_empty_input():
    result = soft_nms(np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=int), voting_threshold=0.5)
    assert [part.shape for part in result] == [(0, 2), (0,), (0,), (0,)]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'method': 'softer'}, "method to be one of .* but got 'softer'"),
        ({'sigma': -0.5}, 'sigma > 0 but got -0.5'),
        ({'iou_threshold': 1.5}, r'iou_threshold in \[0, 1\] but got 1.5'),
        ({'min_score': float('nan')}, 'min_score >= 0 but got nan'),
        ({'max_per_video': 0}, 'max_per_video >= 1 but got 0'),
        ({'voting_threshold': 0.0}, r'voting_threshold in \(0, 1\] but got 0.0'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        soft_nms(SEGMENTS, SCORES, **options)


@pytest.mark.parametrize(
    ('segments', 'scores', 'labels', 'message'),
    [
        (np.zeros((3, 3)), np.zeros(3), None, r'segments of shape \(n, 2\) but got \(3, 3\)'),
        (SEGMENTS, SCORES[:3], None, r'4 scores but got shape \(3,\)'),
        (SEGMENTS, SCORES, np.zeros(3, dtype=int), r'4 labels but got shape \(3,\)'),
        (SEGMENTS, np.array([0.1, np.nan, 0.2, 0.3]), None, 'but got nan or inf'),
    ],
)
def test_inputs_that_do_not_fit_are_named(segments, scores, labels, message):
    with pytest.raises(ValueError, match=message):
        soft_nms(segments, scores, labels)


def check_voting_at_the_threshold(threshold, pairs):
    """Of each class the first is kept; the second agrees just enough with it, the third not."""
    segments = np.array(pairs, dtype=np.float64)  # (classes, 3, 2)
    labels = np.arange(len(pairs)).repeat(3) if len(pairs) > 1 else None
    scores = np.tile([0.75, 0.5, 0.25], len(pairs))
    result = soft_nms(
        segments.reshape(-1, 2),
        scores,
        labels,
        method='hard',
        iou_threshold=0.0,
        voting_threshold=threshold,
    )
    voted = dict(zip(result.indices.tolist(), result.segments, strict=True))
    expected = (3 * segments[:, 0] + 2 * segments[:, 1]) / 5
    tolerance = 8 * np.spacing(np.abs(segments).max())
    got = [voted[first] for first in range(0, len(scores), 3)]
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


def at_the_threshold(short, long):
    """Whole numbers, so that a tIoU is to the bit what ``short / long`` is; one step more is not.

    The other is longer or shorter than the one that is kept, before or behind.
    """
    return [
        ((-short, 0), (-long, 0), (-long - 1, 0)),
        ((0, short), (0, long), (0, long + 1)),
        ((-long, 0), (-short, 0), (-short + 1, 0)),
        ((0, long), (0, short), (0, short - 1)),
    ]


def test_candidates_exactly_at_the_voting_threshold_vote():
    """Lengths that a float such as 0.28 multiplies or divides are a little off."""
    for hundredths in range(1, 100, 3):
        for pair in at_the_threshold(hundredths, 100):
            check_voting_at_the_threshold(hundredths / 100, [pair])


@pytest.mark.parametrize('origin', [0, 10**6, -(10**6), 2**40])
def test_classes_anywhere_vote_at_the_threshold(origin):
    for tenths in range(1, 10):
        pairs = at_the_threshold(tenths, 10) + at_the_threshold(7 * tenths, 70)
        # At no round number, far before and behind the others: in a class of their own
        far = np.array([[-1e6 / 3, 0], [1e6 / 7, 1e6 / 7 + 1], [-1e6 / 3, 0]])
        far = [[far[0], far[0], far[1]]]
        check_voting_at_the_threshold(tenths / 10, [*(origin + np.array(pairs)), *far])


@pytest.mark.parametrize('origin', [0.0, 1e6, -1e6])
def test_a_video_far_from_the_origin_votes_as_at_it(origin):
    """Starts in 64ths of a second: the same segments, moved to where a long recording is."""
    rng = np.random.default_rng(3)
    starts = rng.integers(0, 64 * 600, 400) / 64
    segments = np.stack([starts, starts + rng.integers(1, 64 * 20, 400) / 64], axis=1)
    segments[::4] = segments[1::4]  # some agree fully
    scores, labels = rng.uniform(0.1, 1, 400), rng.integers(0, 20, 400)
    there = soft_nms(origin + segments, scores, labels, voting_threshold=0.5)
    plain = soft_nms(segments, scores, labels)
    assert there.indices.tolist() == plain.indices.tolist()
    expected = slow_vote(segments, scores, labels, plain.indices, 0.5)
    np.testing.assert_allclose(there.segments - origin, expected, rtol=0, atol=1e-8)
    alone = (there.segments == origin + segments[there.indices]).all(axis=1)
    assert 0 < alone.sum() < len(alone)
