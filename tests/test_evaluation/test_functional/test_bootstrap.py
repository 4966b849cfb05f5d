"""mAP of resampled recordings: against plain loops over recordings that are copied for true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.evaluation.functional import (
    Instances,
    average_precision,
    bootstrap,
    draw_recordings,
    match_detections,
    resampled_mean_ap,
)
from tests.references import slow_average_precision

EPS = np.finfo(float).eps


def draw(rng, count, num_videos, num_classes, scored):
    starts, lengths = rng.integers(0, 8, count) * 1.0, rng.integers(1, 6, count) * 1.0
    return Instances(
        rng.integers(0, num_videos, count),
        np.stack([starts, starts + lengths], axis=1),
        rng.integers(0, num_classes, count),
        # Different ones: what is the order of equal scores is open.
        rng.permutation(count) / max(count, 1) if scored else np.empty(0),
    )


def slow_mean_ap(truths, found, counts, num_classes, threshold):
    """Copies are recordings of their own."""
    copies = [v for v, count in enumerate(counts) for _ in range(count)]
    values = []
    for label in range(num_classes):
        own = [
            (number, segment)
            for number, video in enumerate(copies)
            for v, segment, other in zip(*truths[:3], strict=True)
            if (v, other) == (video, label)
        ]
        detections = [
            (score, number, segment)
            for number, video in enumerate(copies)
            for v, segment, other, score in zip(*found, strict=True)
            if (v, other) == (video, label)
        ]
        if own:
            values.append(slow_average_precision(own, detections, threshold))
    return sum(values) / len(values) if values else 0.0


@settings(max_examples=100)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 15),
    st.integers(0, 40),
    st.integers(2, 5),
    st.integers(1, 3),
    st.lists(st.sampled_from([0.01, 0.25, 0.5, 0.95, 1.0]), max_size=3),
)
def test_matches_plain_loops(seed, num_truths, num_found, videos, classes, thresholds):
    rng = np.random.default_rng(seed)
    truths = draw(rng, num_truths, videos, classes, scored=False)
    found = draw(rng, num_found, videos, classes, scored=True)
    matches = match_detections(truths, found, classes, thresholds)
    counts = draw_recordings(videos, 4, seed)
    expected = [
        [slow_mean_ap(truths, found, row, classes, threshold) for threshold in thresholds]
        for row in counts
    ]
    # Sums of at most 5 x 40 terms that are at most 1.
    np.testing.assert_allclose(
        resampled_mean_ap(matches, counts),
        np.reshape(expected, (4, len(thresholds))),
        rtol=0,
        atol=200 * EPS,
    )


@pytest.fixture
def crowd():
    rng = np.random.default_rng(0)
    truths = draw(rng, 40, 6, 3, scored=False)
    found = draw(rng, 200, 6, 3, scored=True)
    return truths, found, match_detections(truths, found, 3, [0.3, 0.7])


def test_each_recording_once_is_the_metric(crowd):
    truths, found, matches = crowd
    (value,) = resampled_mean_ap(matches, np.ones((1, 6), dtype=int))
    expected = average_precision(truths, found, 3, [0.3, 0.7]).mean_ap
    np.testing.assert_allclose(value, expected, rtol=0, atol=200 * EPS)


def test_pieces_give_the_same(crowd, monkeypatch):
    matches = crowd[-1]
    counts = draw_recordings(6, 10)
    whole = resampled_mean_ap(matches, counts)
    monkeypatch.setattr(bootstrap, '_CHUNK', 150)
    np.testing.assert_array_equal(resampled_mean_ap(matches, counts), whole)


def test_draws_are_with_replacement_and_by_the_seed():
    counts = draw_recordings(7, 2000, seed=3)
    assert counts.shape == (2000, 7)
    assert (counts.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(counts, draw_recordings(7, 2000, seed=3))
    assert (counts != draw_recordings(7, 2000, seed=4)).any()
    # A recording is left out with a probability of (1 - 1/7)^7 = 0.34; five deviations of 2000.
    share = (counts[:, 0] == 0).mean()
    assert abs(share - (6 / 7) ** 7) < 5 * np.sqrt(0.34 * 0.66 / 2000)


def test_too_few_are_refused():
    with pytest.raises(ValueError, match='2 recordings or more to resample but got 1'):
        draw_recordings(1, 10)
    with pytest.raises(ValueError, match='expected 1 resample or more but got 0'):
        draw_recordings(5, 0)
