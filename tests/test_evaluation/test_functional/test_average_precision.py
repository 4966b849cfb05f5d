import json
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.evaluation.functional import (
    Instances,
    average_precision,
    grouped_average_precision,
)
from tests.references import slow_average_precision, slow_tiou


def slow_table(truths, detections, num_classes, thresholds):
    table = np.zeros((len(thresholds), num_classes))
    for label in range(num_classes):
        own = [
            (video, segment)
            for video, segment, other in zip(*truths[:3], strict=True)
            if other == label
        ]
        found = [
            (score, video, segment)
            for video, segment, other, score in zip(*detections, strict=True)
            if other == label
        ]
        for row, threshold in enumerate(thresholds):
            table[row, label] = slow_average_precision(own, found, threshold) if own else 0.0
    return table


def random_instances(rng, count, num_videos, num_classes, coarse, scored):
    if coarse:
        starts, lengths = rng.integers(0, 8, count) * 1.0, rng.integers(0, 6, count) * 1.0
        scores = rng.integers(0, 4, count) / 4
    else:
        starts, lengths = rng.uniform(0, 20, count), rng.exponential(5, count)
        scores = rng.normal(size=count)
    return Instances(
        rng.integers(0, num_videos, count),
        np.stack([starts, starts + lengths], axis=1),
        rng.integers(0, num_classes, count),
        scores if scored else np.empty(0),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 25),
    st.integers(0, 60),
    st.integers(1, 3),
    st.integers(1, 4),
    st.booleans(),
    st.lists(st.sampled_from([0.01, 0.2, 0.25, 0.5, 2 / 3, 0.95, 1.0]), max_size=4),
)
def test_matches_plain_loops(seed, num_truths, num_found, videos, classes, coarse, thresholds):
    rng = np.random.default_rng(seed)
    truths = random_instances(rng, num_truths, videos, classes, coarse, scored=False)
    found = random_instances(rng, num_found, videos + 1, classes, coarse, scored=True)
    result = average_precision(truths, found, classes, thresholds)
    expected = slow_table(truths, found, classes, thresholds)
    np.testing.assert_allclose(result.ap, expected, rtol=1e-12, atol=1e-15)
    counts = [truths.labels.tolist().count(label) for label in range(classes)]
    assert result.num_ground_truths.tolist() == counts
    present = [label for label in range(classes) if counts[label]]
    means = [np.mean(row[present]) if present else 0.0 for row in expected]
    np.testing.assert_allclose(result.mean_ap, means, rtol=1e-12, atol=1e-15)


def test_crowded_video_matches_plain_loops():
    """Long chains of detections that push one another off their favourite ground truths."""
    rng = np.random.default_rng(5)
    truths = random_instances(rng, 60, 1, 1, coarse=True, scored=False)
    found = random_instances(rng, 400, 1, 1, coarse=True, scored=True)
    thresholds = [0.1, 0.3, 0.5, 0.7]
    np.testing.assert_allclose(
        average_precision(truths, found, 1, thresholds).ap,
        slow_table(truths, found, 1, thresholds),
        rtol=1e-12,
    )


def noisy(truths, count):
    """Detections near ground truths, some of them near the same ones."""
    rng = np.random.default_rng(0)
    near = rng.integers(0, len(truths.videos), count)
    segments = truths.segments[near]
    noise = rng.normal(0, 0.2, (count, 2)) * np.maximum(np.diff(segments), 0.1)
    return Instances(
        truths.videos[near],
        np.sort(segments + noise, axis=1),
        truths.labels[near],
        rng.random(count),
    )


def mmaction_ap(truths, found, thresholds, double=True):
    """mmaction2's function, of one class; in float64, or in float32 as it is."""
    accuracy = pytest.importorskip('mmaction.evaluation.functional.accuracy')
    numpy = types.ModuleType('numpy')
    numpy.__dict__.update(vars(accuracy.np))
    numpy.float32 = np.float64 if double else np.float32
    by_video = {
        f'v{video}': truths.segments[truths.videos == video] for video in set(truths.videos)
    }
    predictions = [
        [f'v{video}', 0, *segment, score] for video, segment, _, score in zip(*found, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accuracy, 'np', numpy)
        return accuracy.average_precision_at_temporal_iou(by_video, predictions, thresholds)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_matches_mmaction(seed):
    rng = np.random.default_rng(seed)
    truths = random_instances(rng, 30, 4, 1, coarse=False, scored=False)
    found = random_instances(rng, 80, 5, 1, coarse=False, scored=True)
    thresholds = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(
        average_precision(truths, found, 1, thresholds).ap[:, 0],
        mmaction_ap(truths, found, thresholds),
        rtol=0,
        atol=1e-12,
    )


def test_mmaction_as_it_is_counts_in_float32():
    """The only difference: its sums, and its result, are right to seven digits."""
    rng = np.random.default_rng(3)
    truths = random_instances(rng, 300, 4, 1, coarse=False, scored=False)
    found = random_instances(rng, 800, 5, 1, coarse=False, scored=True)
    thresholds = np.linspace(0.1, 0.9, 9)
    expected = mmaction_ap(truths, found, thresholds, double=False)
    assert expected.dtype == np.float32
    error = np.abs(average_precision(truths, found, 1, thresholds).ap[:, 0] - expected).max()
    assert 1e-9 < error < 1e-5


def test_matches_mmaction_on_real_ground_truth(real_data):
    """Class 50 of MultiThumos in its test videos; detections near its ground truths."""
    database = json.loads(real_data('multithumos/multithumos.json').read_text())
    rows = [
        (video, start, end)
        for video, entry in enumerate(database.values())
        if entry['subset'] == 'testing'
        for label, start, end in entry['actions']
        if label == 50
    ]
    assert len(rows) == 66
    videos = np.array([row[0] for row in rows])
    segments = np.array([row[1:] for row in rows], dtype=float)
    truths = Instances(videos, segments, videos * 0)
    found = noisy(truths, 300)
    thresholds = np.linspace(0.1, 0.9, 9)
    ap = average_precision(truths, found, 1, thresholds).ap[:, 0]
    assert ap[0] > 0.2
    expected = mmaction_ap(truths, found, thresholds)
    np.testing.assert_allclose(ap, expected, rtol=0, atol=1e-12)


def activitynet_map(folder, truths, found, thresholds):
    """mAP by mmaction2's class, as it is; it reads files."""
    functional = pytest.importorskip('mmaction.evaluation.functional')
    database = {f'v_{video}': {'annotations': []} for video in np.unique(truths.videos)}
    for video, segment, label in zip(*truths[:3], strict=True):
        entry = {'label': f'c{label}', 'segment': segment.tolist()}
        database[f'v_{video}']['annotations'].append(entry)
    results = {str(video): [] for video in np.unique(found.videos)}
    for video, segment, label, score in zip(*found, strict=True):
        entry = {'label': f'c{label}', 'segment': segment.tolist(), 'score': score}
        results[str(video)].append(entry)
    (folder / 'truth.json').write_text(json.dumps(database))
    (folder / 'found.json').write_text(json.dumps({'results': results}))
    return functional.ActivityNetLocalization(
        str(folder / 'truth.json'), str(folder / 'found.json'), thresholds
    ).evaluate()[0]


def test_matches_mmactions_activitynet_evaluation(tmp_path):
    rng = np.random.default_rng(11)
    truths = random_instances(rng, 120, 10, 5, coarse=False, scored=False)
    found = random_instances(rng, 500, 10, 5, coarse=False, scored=True)
    thresholds = np.linspace(0.3, 0.7, 5)
    expected = activitynet_map(tmp_path, truths, found, thresholds)
    assert expected.mean() > 0.05
    mean_ap = average_precision(truths, found, 5, thresholds).mean_ap
    np.testing.assert_allclose(mean_ap, expected, rtol=0, atol=1e-12)


def test_matches_mmactions_activitynet_evaluation_on_real_ground_truth(tmp_path, real_data):
    path = real_data('activitynet13/anet13_from_tsp.json')
    database = json.loads(path.read_text())['database'].values()
    rows = [
        (video, *annotation['segment'], annotation['label_id'])
        for video, entry in enumerate(database)
        if entry['subset'] == 'validation'
        for annotation in entry['annotations']
    ]
    table = np.array(rows[:1500])
    truths = Instances(table[:, 0].astype(int), table[:, 1:3], table[:, 3].astype(int))
    found = noisy(truths, 4000)
    thresholds = np.linspace(0.5, 0.95, 10)
    expected = activitynet_map(tmp_path, truths, found, thresholds)
    assert expected[0] > 0.2
    mean_ap = average_precision(truths, found, 200, thresholds).mean_ap
    np.testing.assert_allclose(mean_ap, expected, rtol=0, atol=1e-9)


def test_by_hand():
    truths = Instances(
        videos=np.array([0, 0, 1, 1]),
        segments=np.array([[0.0, 10.0], [20.0, 30.0], [0.0, 10.0], [0.0, 4.0]]),
        labels=np.array([0, 0, 0, 2]),
    )
    found = Instances(
        videos=np.array([0, 0, 1, 0, 5]),
        segments=np.array([[0, 9], [1, 10], [0, 5], [20, 30], [0, 10]], dtype=float),
        labels=np.array([0, 0, 0, 0, 1]),
        scores=np.array([0.9, 0.8, 0.7, 0.6, 0.5]),
    )
    # Class 0 at 0.5: hit, double, hit (tIoU exactly 0.5), hit: precisions 1, 1/2, 2/3, 3/4.
    # At 0.75: hit, double, miss, hit: precision 1 and 2/4 of three ground truths.
    result = average_precision(truths, found, 3, [0.5, 0.75])
    np.testing.assert_allclose(
        result.ap, [[(1 + 0.75 + 0.75) / 3, 0, 0], [(1 + 0.5) / 3, 0, 0]], rtol=1e-12
    )
    # Class 1 has no ground truth and does not count; class 2 was never found and does.
    np.testing.assert_allclose(result.mean_ap, [2.5 / 6, 1.5 / 6], rtol=1e-12)
    assert result.num_ground_truths.tolist() == [3, 0, 1]
    assert result.num_detections.tolist() == [4, 1, 0]


def test_of_equal_scores_the_lower_video_then_the_earlier_position_comes_first():
    truths = Instances(np.array([1]), np.array([[0.0, 10.0]]), np.array([0]))

    def ap(videos, segments):
        count = len(videos)
        found = Instances(
            np.array(videos), np.array(segments), np.zeros(count, int), np.full(count, 0.5)
        )
        return average_precision(truths, found, 1, [0.5]).ap.item()

    hit, miss = [0.0, 10.0], [50.0, 60.0]
    assert ap([1, 2], [hit, hit]) == 1.0
    assert ap([2, 1], [hit, hit]) == 1.0
    assert ap([1, 0], [hit, hit]) == 0.5
    assert ap([1, 1], [hit, miss]) == 1.0
    assert ap([1, 1], [miss, hit]) == 0.5


def test_ground_truth_without_length_cannot_be_found_but_counts():
    truths = Instances(np.array([0, 0]), np.array([[5.0, 5.0], [0.0, 2.0]]), np.array([0, 0]))
    found = Instances(
        np.array([0, 0]), np.array([[5.0, 5.0], [0.0, 2.0]]), np.array([0, 0]), np.array([0.9, 0.8])
    )
    assert average_precision(truths, found, 1, [0.1]).ap.item() == pytest.approx(0.5 / 2)


def slow_grouped(truths, found, gt_groups, det_groups, group, threshold):
    """One class, by plain loops: AP of the ground truths of one group."""
    ranked = sorted(range(len(found.scores)), key=lambda i: (-found.scores[i], found.videos[i], i))
    taken, hits = set(), []
    for i in ranked:
        best, best_tiou = None, threshold
        for index, segment in enumerate(truths.segments):
            if truths.videos[index] == found.videos[i] and index not in taken:
                tiou = slow_tiou(found.segments[i], segment)
                if tiou >= threshold and (best is None or tiou > best_tiou):
                    best, best_tiou = index, tiou
        taken.add(best)
        if best is None and det_groups[i] == group:
            hits.append(False)
        elif best is not None and gt_groups[best] == group:
            hits.append(True)
    size = sum(gt_groups == group)
    precisions = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
    return sum(max(precisions[i:]) for i in range(len(hits)) if hits[i]) / size if size else 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 50), st.booleans())
def test_groups_match_plain_loops(seed, num_truths, num_found, coarse):
    rng = np.random.default_rng(seed)
    truths = random_instances(rng, num_truths, 2, 2, coarse, scored=False)
    found = random_instances(rng, num_found, 3, 2, coarse, scored=True)
    gt_groups, det_groups = rng.integers(0, 3, num_truths), rng.integers(0, 3, num_found)
    thresholds = [0.2, 0.5]
    results = grouped_average_precision(truths, found, 2, thresholds, gt_groups, det_groups, 3)
    assert len(results) == 3
    for group, result in enumerate(results):
        for label in range(2):
            of_class, own = truths.labels == label, found.labels == label
            assert result.num_ground_truths[label] == sum(gt_groups[of_class] == group)
            assert result.num_detections[label] == sum(det_groups[own] == group)
            for row, threshold in enumerate(thresholds):
                expected = slow_grouped(
                    Instances(*(column[of_class] for column in truths[:3])),
                    Instances(*(column[own] for column in found)),
                    gt_groups[of_class],
                    det_groups[own],
                    group,
                    threshold,
                )
                assert result.ap[row, label] == pytest.approx(expected)


def test_one_group_is_all():
    rng = np.random.default_rng(8)
    truths = random_instances(rng, 60, 3, 3, coarse=False, scored=False)
    found = random_instances(rng, 300, 3, 3, coarse=False, scored=True)
    everything = average_precision(truths, found, 3, [0.3, 0.6])
    none = np.zeros(300, int)
    (group,) = grouped_average_precision(truths, found, 3, [0.3, 0.6], none[:60], none, 1)
    for ours, expected in zip(group, everything, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_groups_by_hand():
    truths = Instances(np.array([0, 0]), np.array([[0.0, 10.0], [50.0, 52.0]]), np.array([0, 0]))
    found = Instances(
        np.array([0, 0, 0, 0]),
        np.array([[20.0, 30.0], [0.0, 10.0], [60.0, 61.0], [50.0, 52.0]]),
        np.zeros(4, int),
        np.array([0.9, 0.8, 0.7, 0.6]),
    )
    # 0 = short, 1 = long. Short: wrong, right (the two long ones do not count): 1/2.
    # Long: wrong, right: 1/2. All: wrong, right, wrong, right: 1/2 and 2/4.
    short, long = grouped_average_precision(
        truths, found, 1, [0.5], np.array([1, 0]), np.array([1, 1, 0, 0]), 2
    )
    assert (short.ap.item(), long.ap.item()) == (0.5, 0.5)
    # Short and the long wrong one as short: wrong, wrong, right.
    short, _ = grouped_average_precision(
        truths, found, 1, [0.5], np.array([1, 0]), np.array([0, 1, 0, 0]), 2
    )
    assert short.ap.item() == pytest.approx(1 / 3)


def test_groups_that_do_not_fit_are_named():
    one = Instances(np.array([0]), np.array([[0.0, 1.0]]), np.array([0]), np.array([0.5]))
    with pytest.raises(ValueError, match=r'groups of detections in \[0, 2\) but got \[2\]'):
        grouped_average_precision(one, one, 1, [0.5], np.array([0]), np.array([2]), 2)
    with pytest.raises(ValueError, match=r'group for each of 1 ground truths but got \(2,\)'):
        grouped_average_precision(one, one, 1, [0.5], np.array([0, 0]), np.array([0]), 2)


def test_nothing_found_and_nothing_to_find():
    nothing = Instances(np.empty(0, int), np.empty((0, 2)), np.empty(0, int), np.empty(0))
    one = Instances(np.array([0]), np.array([[0.0, 1.0]]), np.array([1]), np.array([0.5]))
    for truths, found in [(nothing, nothing), (nothing, one), (one, nothing)]:
        result = average_precision(truths, found, 2, [0.5])
        np.testing.assert_array_equal(result.ap, [[0.0, 0.0]])
        np.testing.assert_array_equal(result.mean_ap, [0.0])


def test_ground_truth_found_perfectly_scores_one(real_data):
    database = json.loads(real_data('multithumos/multithumos.json').read_text())
    rows = [
        (video, action)
        for video, entry in enumerate(database.values())
        if entry['subset'] == 'testing'
        for action in entry['actions']
        if action[2] > action[1]
    ]
    truths = Instances(
        np.array([video for video, _ in rows]),
        np.array([action[1:] for _, action in rows], dtype=float),
        np.array([action[0] - 1 for _, action in rows]),
    )
    assert len(rows) == 20208 - 4
    found = truths._replace(scores=np.random.default_rng(0).random(len(rows)))
    result = average_precision(truths, found, 65, [0.1, 0.5, 1.0])
    np.testing.assert_allclose(result.mean_ap, 1.0)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'labels': np.array([2])}, r'labels of detections in \[0, 2\) but got \[2\]'),
        ({'labels': np.array([-1])}, r'labels of detections in \[0, 2\) but got \[-1\]'),
        ({'scores': np.array([np.nan])}, 'finite detections but got nan'),
        ({'scores': np.array([0.1, 0.2])}, r'as many .* of detections but got \[1, 1, 1, 2\]'),
    ],
)
def test_inputs_that_do_not_fit_are_named(changes, message):
    one = Instances(np.array([0]), np.array([[0.0, 1.0]]), np.array([1]), np.array([0.5]))
    with pytest.raises(ValueError, match=message):
        average_precision(one, one._replace(**changes), 2, [0.5])


def test_thresholds_out_of_range_are_named():
    one = Instances(np.array([0]), np.array([[0.0, 1.0]]), np.array([1]), np.array([0.5]))
    with pytest.raises(ValueError, match=r'tIoU thresholds in \(0, 1\] but got \[0.0\]'):
        average_precision(one, one, 2, [0.0])
