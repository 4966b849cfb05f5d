"""The diagnosis against plain loops, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.evaluation.functional import (
    ERRORS,
    KINDS,
    Instances,
    average_precision,
    diagnose,
    diagnose_groups,
    match_detections,
)
from tests.references import slow_tiou
from tests.test_evaluation.test_functional.test_average_precision import random_instances


def slow_found(truths, found, threshold):
    """What each detection is matched with, or None; by falling score, then video, then position."""
    ranked = sorted(range(len(found.videos)), key=lambda i: (-found.scores[i], found.videos[i]))
    result = [None] * len(found.videos)
    for i in ranked:
        best = threshold
        for g in range(len(truths.videos)):
            same = truths.videos[g] == found.videos[i] and truths.labels[g] == found.labels[i]
            tiou = slow_tiou(found.segments[i], truths.segments[g])
            if same and g not in result and tiou >= best and (result[i] is None or tiou > best):
                result[i], best = g, tiou
    return result


def slow_kind(truths, found, i, threshold, min_tiou):
    """Kind of an unmatched detection, and its nearest ground truth."""
    tious = [
        slow_tiou(found.segments[i], truths.segments[g]) * (truths.videos[g] == found.videos[i])
        for g in range(len(truths.videos))
    ]
    if max(tious, default=0) < min_tiou:
        return 'background', -1
    nearest = tious.index(max(tious))
    same = truths.labels[nearest] == found.labels[i]
    if tious[nearest] >= threshold:
        return ('duplicate' if same else 'class'), nearest
    return ('boundary' if same else 'both'), nearest


def slow_ap(truths, found, label, matched, counted, total, expected, weight):
    """AP of one class: (matched: what each found) over the detections that count."""
    ranked = sorted(range(len(found.videos)), key=lambda i: (-found.scores[i], found.videos[i]))
    hits = [matched[i] is not None for i in ranked if found.labels[i] == label and counted[i]]
    precisions = []
    for stop in range(1, len(hits) + 1):
        rights = sum(hits[:stop])
        recall = rights / total
        wrong = stop - rights
        scale = total if weight is None else weight
        precisions.append(recall * scale / (recall * scale + wrong) if rights else 0.0)
    rises = sum(max(precisions[i:]) for i in range(len(hits)) if hits[i])
    return rises / expected if expected else 0.0


def slow_diagnosis(truths, found, num_classes, thresholds, min_tiou, limit, normalize):
    totals = [truths.labels.tolist().count(label) for label in range(num_classes)]
    present = [label for label in range(num_classes) if totals[label]]
    weight = sum(totals) / len(present) if normalize else None
    ranked = sorted(range(len(found.videos)), key=lambda i: (-found.scores[i], found.videos[i]))
    position = {
        i: [j for j in ranked if found.labels[j] == found.labels[i]].index(i) for i in ranked
    }
    counted = [
        totals[found.labels[i]] > 0
        and (limit is None or position[i] < limit * totals[found.labels[i]])
        for i in range(len(found.videos))
    ]
    kinds, values = [], {error: [] for error in (None, *ERRORS)}
    for threshold in thresholds:
        matched = slow_found(truths, found, threshold)
        row = []
        for i in range(len(found.videos)):
            if not counted[i]:
                matched[i] = None
                row.append(None)
            elif matched[i] is not None:
                row.append('correct')
            else:
                row.append(slow_kind(truths, found, i, threshold, min_tiou)[0])
        kinds.append(row)
        for error, aps in values.items():
            for label in present:
                hits = {matched[i] for i in range(len(row)) if found.labels[i] == label} - {None}
                aps.append(
                    slow_ap(
                        truths,
                        found,
                        label,
                        matched,
                        [c and k != error for c, k in zip(counted, row, strict=True)],
                        totals[label],
                        len(hits) if error == 'missed' else totals[label],
                        weight,
                    )
                )
    means = {error: np.mean(aps) for error, aps in values.items()}
    return counted, kinds, means.pop(None), means


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 15),
    st.integers(0, 40),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1, 2]),
)
def test_matches_plain_loops(seed, num_truths, num_found, coarse, normalize, limit):
    rng = np.random.default_rng(seed)
    truths = random_instances(rng, num_truths, 2, 3, coarse, scored=False)
    found = random_instances(rng, num_found, 3, 3, coarse, scored=True)
    thresholds = [0.3, 0.5, 0.75]
    options = dict(min_tiou=0.2, limit=limit, normalize=normalize)
    result = diagnose(match_detections(truths, found, 3, thresholds), **options)
    counted, kinds, mean_ap, means = slow_diagnosis(truths, found, 3, thresholds, **options)
    assert result.counted.tolist() == counted
    assert [[KINDS[k] if k >= 0 else None for k in row] for row in result.kinds] == kinds
    np.testing.assert_allclose(result.mean_ap, mean_ap, rtol=1e-12, atol=1e-14)
    for error, cost in zip(ERRORS, result.costs, strict=True):
        np.testing.assert_allclose(cost, means[error] - mean_ap, atol=1e-12, err_msg=error)
    for row, threshold in enumerate(thresholds):
        hits = [
            -1 if match is None or not counts else match
            for match, counts in zip(slow_found(truths, found, threshold), counted, strict=True)
        ]
        assert result.found[row].tolist() == hits
        assert np.flatnonzero(~result.missed[row]).tolist() == sorted({*hits} - {-1})
    nearest = [slow_kind(truths, found, i, 0.5, 0.2)[1] for i in range(num_found)]
    assert result.nearest.tolist() == nearest


def instances(*rows):
    """(video, start, end, label[, score]) of each."""
    columns = np.array(rows, dtype=float).T
    scores = columns[4] if len(columns) > 4 else np.empty(0)
    return Instances(columns[0].astype(int), columns[1:3].T, columns[3].astype(int), scores)


def test_each_kind_by_hand():
    truths = instances((0, 0, 10, 0), (0, 20, 30, 1), (1, 0, 10, 0))
    found = instances(
        (0, 0, 9, 0, 0.9),  # correct
        (0, 0, 8, 0, 0.8),  # the same action again
        (0, 21, 30, 0, 0.7),  # where an action of class 1 is
        (0, 6, 10, 0, 0.6),  # 0.4 of the first action
        (0, 20, 24, 0, 0.5),  # 0.4 of the second, and it is of class 1
        (0, 50, 60, 0, 0.4),
        (1, 0, 10, 2, 0.9),  # a class without ground truths does not count
    )
    result = diagnose(match_detections(truths, found, 3, [0.5]))
    assert result.kinds.tolist() == [[0, 1, 2, 3, 4, 5, -1]]
    assert result.nearest.tolist() == [0, 0, 1, 0, 1, -1, 2]
    assert result.missed.tolist() == [[False, True, True]]
    # Class 0: one of two found, first in rank: AP 1/2; class 1: nothing found.
    assert result.mean_ap == 0.25
    # No false positive comes before the hit, so they cost nothing. Without what is missed: 1 and 0.
    np.testing.assert_allclose(result.costs, [0, 0, 0, 0, 0, 0.25])
    # Two detections for the two ground truths of class 0 are correct and duplicate, and so on.
    shares = [[0.5, 0.5, 0, 0, 0, 0], [0, 0, 0.5, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 0.5]]
    assert result.profile[:3].tolist() == shares
    assert not result.profile[3:].any()


def test_what_costs_is_what_ranks_high():
    truths = instances((0, 0, 10, 0), (0, 20, 30, 0))
    found = instances((0, 50, 60, 0, 0.9), (0, 0, 10, 0, 0.8), (0, 22, 24, 0, 0.7))
    result = diagnose(match_detections(truths, found, 1, [0.5]))
    assert result.mean_ap == 0.25  # precision 1/2 at one of two
    costs = dict(zip(ERRORS, result.costs, strict=True))
    assert costs == {**dict.fromkeys(ERRORS, 0), 'background': 0.25, 'missed': 0.25}


def test_mean_ap_is_average_precision():
    rng = np.random.default_rng(3)
    truths = random_instances(rng, 40, 4, 3, False, scored=False)
    found = random_instances(rng, 200, 4, 3, False, scored=True)
    expected = average_precision(truths, found, 3, [0.3, 0.5]).mean_ap.mean()
    matches = match_detections(truths, found, 3, [0.3, 0.5])
    np.testing.assert_allclose(diagnose(matches, limit=None).mean_ap, expected)
    (whole,) = diagnose_groups(matches, np.zeros(40, dtype=int), 1)
    np.testing.assert_allclose(whole.mean_ap, expected)


def test_the_profile_is_the_mean_over_thresholds():
    rng = np.random.default_rng(5)
    truths = random_instances(rng, 40, 4, 3, False, scored=False)
    found = random_instances(rng, 200, 4, 3, False, scored=True)
    both, low, high = (
        diagnose(match_detections(truths, found, 3, thresholds), limit=3).profile
        for thresholds in ([0.2, 0.6], [0.2], [0.6])
    )
    np.testing.assert_allclose(both, (low + high) / 2)
    np.testing.assert_allclose(both.sum(axis=1), 1)
    assert not np.array_equal(low, high)
    everything = diagnose(match_detections(truths, found, 3, [0.2]), limit=None)
    assert everything.profile.shape == (0, len(KINDS))


@pytest.mark.parametrize('normalize', [False, True])
def test_groups_match_plain_loops(normalize):
    rng = np.random.default_rng(4)
    truths = random_instances(rng, 30, 3, 2, False, scored=False)
    found = random_instances(rng, 90, 3, 2, False, scored=True)
    groups = rng.integers(0, 2, 30)
    thresholds = [0.2, 0.4]
    matches = match_detections(truths, found, 2, thresholds)
    results = diagnose_groups(matches, groups, 3, normalize=normalize)
    weight = 15 if normalize else None
    for group in range(2):
        own = set(np.flatnonzero(groups == group))
        totals = [sum(truths.labels[g] == label for g in own) for label in range(2)]
        aps, missed = [], []
        for threshold in thresholds:
            matched = slow_found(truths, found, threshold)
            counted = [match is None or match in own for match in matched]
            aps += [
                slow_ap(truths, found, k, matched, counted, totals[k], totals[k], weight)
                for k in range(2)
            ]
            missed.append(1 - len(own & set(matched)) / len(own))
        assert results[group].num_ground_truths == len(own)
        np.testing.assert_allclose(results[group].mean_ap, np.mean(aps))
        np.testing.assert_allclose(results[group].missed, np.mean(missed))
    assert results[2].num_ground_truths == 0
    assert np.isnan([results[2].mean_ap, results[2].missed]).all()


@pytest.mark.parametrize('truths', [[], [(0, 0, 10, 0)]])
def test_nothing(truths):
    nothing = Instances(*(np.empty(shape) for shape in (0, (0, 2), 0, 0)))
    truths = instances(*truths) if truths else nothing
    result = diagnose(match_detections(truths, nothing, 2, [0.5]))
    assert result.kinds.shape == (1, 0)
    assert result.missed.all()
    np.testing.assert_equal(result.mean_ap, 0.0 if len(truths.videos) else np.nan)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(min_tiou=0.6), 'min_tiou above 0 and up to the lowest threshold, 0.5, but got 0.6'),
        (dict(min_tiou=0), 'but got 0'),
        (dict(limit=0), 'limit >= 1 but got 0'),
    ],
)
def test_users_mistakes(options, message):
    truths = instances((0, 0, 10, 0))
    matches = match_detections(truths, instances((0, 0, 10, 0, 1)), 1, [0.5])
    with pytest.raises(ValueError, match=message):
        diagnose(matches, **options)


def test_groups_must_fit():
    truths = instances((0, 0, 10, 0))
    for groups in ([0, 0], [2]):
        with pytest.raises(ValueError, match=r'a group in \[0, 2\) for each of 1 ground truths'):
            diagnose_groups(match_detections(truths, truths, 1, [0.5]), np.array(groups), 2)


def test_matches_serve_several_times():
    rng = np.random.default_rng(5)
    truths = random_instances(rng, 10, 2, 2, False, scored=False)
    found = random_instances(rng, 60, 2, 2, False, scored=True)
    matches = match_detections(truths, found, 2, [0.3])
    before = matches.found.copy()
    assert not diagnose(matches, limit=1).counted.all()
    assert matches.found.tolist() == before.tolist()
