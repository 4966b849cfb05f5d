import json
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.evaluation.functional import Instances, average_recall, recall_at_multiples
from tests.references import slow_tiou

TIOUS = np.linspace(0.5, 0.95, 10)
NOTHING = Instances(np.empty(0, int), np.empty((0, 2)), np.empty(0, int), np.empty(0))


def random_instances(rng, count, videos, classes=1, coarse=False):
    if coarse:
        starts, lengths = rng.integers(0, 8, count) * 1.0, rng.integers(0, 6, count) * 1.0
        scores = rng.integers(0, 4, count) / 4
    else:
        starts, lengths = rng.uniform(0, 20, count), rng.exponential(5, count)
        scores = rng.random(count)
    return Instances(
        rng.integers(0, videos, count),
        np.stack([starts, starts + lengths], axis=1),
        rng.integers(0, classes, count),
        scores,
    )


def ranked_segments(found, video, label=None):
    """Segments of a video (and class) by falling score, then position."""
    own = [
        (-score, position, segment)
        for position, (at, segment, of, score) in enumerate(zip(*found, strict=True))
        if at == video and label in (None, of)
    ]
    return [segment for *_, segment in sorted(own, key=lambda entry: entry[:2])]


def is_found(truth, segments, threshold):
    return any(slow_tiou(truth, segment) >= threshold for segment in segments)


def mmaction_recall(truths, proposals, num_videos, tious, max_number):
    """mmaction2's function; every video needs a proposal."""
    accuracy = pytest.importorskip('mmaction.evaluation.functional.accuracy')
    rows = np.column_stack([proposals.segments, proposals.scores])
    recall, _, numbers, auc = accuracy.average_recall_at_avg_proposals(
        {video: truths.segments[truths.videos == video] for video in range(num_videos)},
        {video: rows[proposals.videos == video] for video in range(num_videos)},
        len(rows),
        max_number,
        tious,
    )
    return recall, numbers, auc / 100


@pytest.fixture
def mmaction_in_float64(monkeypatch):
    """mmaction2's evaluation, but for its float32."""
    accuracy = pytest.importorskip('mmaction.evaluation.functional.accuracy')
    double = types.ModuleType('numpy')
    double.__dict__.update(vars(accuracy.np))
    double.float32 = np.float64
    monkeypatch.setattr(accuracy, 'np', double)


def covering(rng, truths, per_video):
    """Proposals near the ground truths, of each video ``per_video`` on average, at least one."""
    videos = np.unique(truths.videos)
    extra = rng.choice(videos, (per_video - 1) * len(videos))
    videos = np.concatenate([videos, extra])
    order = np.argsort(truths.videos, kind='stable')
    first = np.searchsorted(truths.videos[order], videos, 'left')
    last = np.searchsorted(truths.videos[order], videos, 'right')
    segments = truths.segments[order[rng.integers(first, last)]]
    length = np.maximum(segments[:, 1:] - segments[:, :1], 1.0)
    segments = segments + rng.normal(0, 0.2, segments.shape) * length
    return Instances(videos, np.sort(segments, axis=1), videos * 0, rng.random(len(videos)))


def real_truths(path, subset):
    database = json.loads(path.read_text())['database'].values()
    entries = [entry for entry in database if entry['subset'].lower() == subset]
    entries = [entry for entry in entries if entry['annotations']]
    rows = [
        (video, *annotation['segment'])
        for video, entry in enumerate(entries)
        for annotation in entry['annotations']
    ]
    videos = np.array([row[0] for row in rows])
    return Instances(videos, np.array([row[1:] for row in rows]), videos * 0), len(entries)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 20),
    st.integers(0, 60),
    st.integers(1, 4),
    st.sampled_from([1, 3, 7.5, 100]),
    st.booleans(),
)
def test_average_recall_matches_plain_loops(seed, num_truths, num_found, videos, budget, coarse):
    rng = np.random.default_rng(seed)
    truths = random_instances(rng, num_truths, videos, 2, coarse)._replace(scores=np.empty(0))
    found = random_instances(rng, num_found, videos, 3, coarse)
    thresholds = [0.25, 0.5, 0.8]
    result = average_recall(truths, found, videos, thresholds, budget)
    ranked = [ranked_segments(found, video) for video in range(videos)]
    share = min(budget * videos / num_found, 1) if num_found else 0
    ranked = [segments[: int(len(segments) * share)] for segments in ranked]
    # As the reference, or it would round another way.
    given = sum(map(len, ranked))
    shares = np.arange(1, 101) / 100 * (budget * videos / max(given, 1))
    expected = np.zeros((3, 100))
    for row, threshold in enumerate(thresholds):
        for column, part in enumerate(shares):
            hits = [
                is_found(truth, ranked[video][: int(len(ranked[video]) * part)], threshold)
                for video, truth in zip(*truths[:2], strict=True)
            ]
            expected[row, column] = sum(hits) / len(hits) if hits else 0
    np.testing.assert_allclose(result.recall, expected, rtol=1e-12)
    np.testing.assert_allclose(result.average_numbers, np.arange(1, 101) / 100 * budget)
    curve = expected.mean(axis=0)
    area = sum((curve[i] + curve[i + 1]) / 2 for i in range(99)) / 100
    assert result.auc == pytest.approx(area)


@pytest.mark.parametrize('max_number', [1, 10, 37, 100])
@pytest.mark.parametrize('per_video', [2, 30, 200])
def test_average_recall_matches_mmaction(mmaction_in_float64, per_video, max_number):
    rng = np.random.default_rng(per_video)
    truths = random_instances(rng, 60, 1)._replace(videos=np.arange(60) % 20)
    found = covering(rng, truths, per_video)
    result = average_recall(truths, found, 20, TIOUS, max_number)
    recall, numbers, auc = mmaction_recall(truths, found, 20, TIOUS, max_number)
    assert result.recall.max() > 0.05
    np.testing.assert_allclose(result.recall, recall, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.average_numbers, numbers, rtol=1e-12)
    assert result.auc == pytest.approx(auc, abs=1e-12)


@pytest.mark.parametrize(
    ('name', 'subset', 'total', 'keep'),
    [
        ('thumos14/thumos14.json', 'test', 212, 60),
        ('activitynet13/anet13_from_tsp.json', 'validation', 4926, 150),
    ],
)
def test_average_recall_matches_mmaction_on_real_ground_truth(real_data, name, subset, total, keep):
    """mmaction2 as it is. No tIoU here is so near a threshold that its float32 matters."""
    truths, num_videos = real_truths(real_data(name), subset)
    assert num_videos == total
    truths = Instances(*(column[truths.videos < keep] for column in truths[:3]))
    found = covering(np.random.default_rng(0), truths, 40)
    # what float32 can hold, so that only tIoU is rounded
    truths, found = (
        part._replace(segments=part.segments.astype(np.float32).astype(float))
        for part in (truths, found)
    )
    result = average_recall(truths, found, keep, TIOUS, 30)
    recall, numbers, auc = mmaction_recall(truths, found, keep, TIOUS, 30)
    assert 0.2 < result.auc < 0.9
    np.testing.assert_allclose(result.recall, recall, rtol=0, atol=1e-9)
    np.testing.assert_allclose(result.average_numbers, numbers, rtol=1e-9)
    assert result.auc == pytest.approx(auc, abs=1e-9)


def test_float32_of_mmaction_decides_at_a_threshold():
    truth = Instances(np.array([0]), np.array([[0.0, 10.0]]), np.array([0]))
    found = Instances(np.array([0]), np.array([[0.0, 7.0]]), np.array([0]), np.array([0.5]))
    ours = average_recall(truth, found, 1, [0.7], 1)
    theirs, *_ = mmaction_recall(truth, found, 1, np.array([0.7]), 1)
    assert 7.0 / 10.0 >= 0.7 > float(np.float32(0.7))
    assert ours.recall[0, -1] == 1
    assert theirs[0, -1] == 0


def test_float32_of_mmaction_was_the_difference(mmaction_in_float64):
    truth = Instances(np.array([0]), np.array([[0.0, 10.0]]), np.array([0]))
    found = Instances(np.array([0]), np.array([[0.0, 7.0]]), np.array([0]), np.array([0.5]))
    theirs, *_ = mmaction_recall(truth, found, 1, np.array([0.7]), 1)
    assert theirs[0, -1] == 1


def test_shares_round_down_in_floating_point():
    """The 29th of 100 proposals of the only video comes in at a budget of 30, not of 29."""
    truth = Instances(np.array([0]), np.array([[0.0, 10.0]]), np.array([0]))
    segments = np.tile([50.0, 60.0], (100, 1))
    segments[28] = [0.0, 10.0]
    found = Instances(np.zeros(100, int), segments, np.zeros(100, int), np.arange(100, 0, -1.0))
    assert np.flatnonzero(average_recall(truth, found, 1, [0.5]).recall[0])[0] == 29
    theirs, *_ = mmaction_recall(truth, found, 1, np.array([0.5]), 100)
    assert np.flatnonzero(theirs[0])[0] == 29


def test_what_a_video_may_give_rounds_down_in_floating_point():
    """A third of its video's 3 proposals on average; 49 times 1 / 49 is less than 1."""
    numbers = [49, 97, 1]
    assert 49 * (3 / sum(numbers)) < 1 == 49 * 3 / sum(numbers)
    videos = np.repeat(np.arange(3), numbers)
    segments = np.tile([0.0, 10.0], (len(videos), 1))
    truths = Instances(np.arange(3), segments[:3], np.zeros(3, int))
    found = Instances(videos, segments, videos * 0, np.linspace(1, 0, len(videos)))
    assert average_recall(truths, found, 3, [0.5], 1).recall[0, -1] == pytest.approx(1 / 3)
    theirs, *_ = mmaction_recall(truths, found, 3, np.array([0.5]), 1)
    assert theirs[0, -1] == pytest.approx(1 / 3)


def test_average_recall_by_hand():
    # Two videos, 2 proposals on average: at the 50th budget, 1 on average, each gives half of its
    # own: video 0 one of two, video 1 one of two.
    truths = Instances(
        np.array([0, 0, 1]), np.array([[0.0, 10], [20, 30], [0, 10]]), np.array([0, 1, 2])
    )
    found = Instances(
        np.array([0, 0, 1, 1]),
        np.array([[0.0, 9], [20, 28], [50, 60], [0, 10]]),
        np.array([0, 0, 0, 0]),
        np.array([0.2, 0.9, 0.8, 0.1]),
    )
    result = average_recall(truths, found, 2, [0.5, 0.85], 2)
    np.testing.assert_allclose(result.average_numbers[[0, 49, 99]], [0.02, 1.0, 2.0])
    np.testing.assert_allclose(result.recall[:, 48], [0, 0])
    np.testing.assert_allclose(result.recall[:, 49], [1 / 3, 0])  # [20, 28]: tIoU 0.8
    np.testing.assert_allclose(result.recall[:, 98], [1 / 3, 0])
    np.testing.assert_allclose(result.recall[:, 99], [1, 2 / 3])
    # The mean curve is 1/6 from 1.0 to 1.98, then 5/6; half steps at both jumps.
    assert result.auc == pytest.approx((1 / 12 + 49 / 6 + (1 / 6 + 5 / 6) / 2) * 0.02 / 2)


@pytest.mark.parametrize('num_videos', [0, 3])
def test_average_recall_of_nothing(num_videos):
    result = average_recall(NOTHING, NOTHING, num_videos, TIOUS)
    assert result.recall.shape == (10, 100)
    assert result.recall.max() == result.auc == 0
    np.testing.assert_allclose(result.average_numbers, np.arange(1, 101))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 25),
    st.integers(0, 60),
    st.integers(1, 3),
    st.integers(1, 4),
    st.booleans(),
)
def test_recall_at_multiples_matches_plain_loops(seed, truths, found, videos, classes, coarse):
    rng = np.random.default_rng(seed)
    truths = random_instances(rng, truths, videos, classes, coarse)._replace(scores=np.empty(0))
    found = random_instances(rng, found, videos + 1, classes, coarse)
    thresholds, multiples = [0.2, 0.5], [1, 2, 5]
    result = recall_at_multiples(truths, found, classes, thresholds, multiples)
    assert result.shape == (2, 3, classes)
    rows = list(zip(*truths[:3], strict=True))
    for (row, column, label), value in np.ndenumerate(result):
        hits = []
        for video, segment, of in rows:
            if of == label:
                size = sum(other[0] == video and other[2] == label for other in rows)
                best = ranked_segments(found, video, label)[: multiples[column] * size]
                hits.append(is_found(segment, best, thresholds[row]))
        assert value == pytest.approx(sum(hits) / len(hits) if hits else 0)


def test_recall_at_multiples_by_hand():
    # Class 0, video 0: two ground truths, so 1x means its two best detections; video 1: one.
    truths = Instances(
        np.array([0, 0, 1, 1]),
        np.array([[0.0, 10], [20, 30], [0, 10], [0, 10]]),
        np.array([0, 0, 0, 2]),
    )
    found = Instances(
        np.array([0, 0, 0, 1, 1, 1]),
        np.array([[0.0, 9], [1, 10], [20, 30], [40, 50], [0, 10], [0, 10]]),
        np.array([0, 0, 0, 0, 0, 1]),
        np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]),
    )
    result = recall_at_multiples(truths, found, 3, [0.5], [1, 2])
    np.testing.assert_allclose(result[0], [[1 / 3, 0, 0], [1, 0, 0]])


def test_one_detection_may_recall_several():
    truths = Instances(np.array([0, 0]), np.array([[0.0, 10], [1, 10]]), np.array([0, 0]))
    found = Instances(np.array([0]), np.array([[0.0, 10]]), np.array([0]), np.array([0.5]))
    assert recall_at_multiples(truths, found, 1, [0.5], [1]).item() == 1
    assert average_recall(truths, found, 1, [0.5]).recall[0, -1] == 1


def test_recall_at_multiples_of_nothing():
    assert recall_at_multiples(NOTHING, NOTHING, 2, [0.5], [1, 5]).tolist() == [[[0, 0], [0, 0]]]


def test_wrong_arguments_are_named():
    one = Instances(np.array([0]), np.array([[0.0, 1.0]]), np.array([1]), np.array([0.5]))
    with pytest.raises(ValueError, match=r'tIoU thresholds in \(0, 1\] but got \[1.5\]'):
        average_recall(one, one, 1, [1.5])
    with pytest.raises(ValueError, match='max_average_number > 0 but got 0'):
        average_recall(one, one, 1, [0.5], 0)
    with pytest.raises(ValueError, match=r'videos of proposals in \[0, 1\) but got \[1\]'):
        average_recall(one, one._replace(videos=np.array([1])), 1, [0.5])
    with pytest.raises(ValueError, match=r'multiples to be integers >= 1 but got \[0, 1\]'):
        recall_at_multiples(one, one, 2, [0.5], [0, 1])
    with pytest.raises(ValueError, match=r'multiples to be integers >= 1 but got \[1.5\]'):
        recall_at_multiples(one, one, 2, [0.5], [1.5])
    with pytest.raises(ValueError, match=r'labels of ground truths in \[0, 1\) but got \[1\]'):
        recall_at_multiples(one, one, 1, [0.5], [1])
    with pytest.raises(ValueError, match='finite proposals but got nan'):
        average_recall(one, one._replace(scores=np.array([np.nan])), 1, [0.5])
