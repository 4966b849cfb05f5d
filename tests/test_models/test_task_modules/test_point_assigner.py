"""The assigner against a loop over points and ground truths."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.models.task_modules import PointAssigner, PointGenerator
from asl_mmaction.structures.point_targets import GroundTruths

STRIDES, RANGES, NUM_CLASSES = [1, 2, 4], [(0, 4), (4, 8), (8, 10000)], 3
POINTS = PointGenerator(strides=STRIDES, regress_ranges=RANGES)((16, 8, 4), torch.device('cpu'))


def assign_by_loop(point, segments, labels, radius, match='shortest'):
    """One point of one video: index of the first winner or None, classes."""
    center, stride, (low, high) = point
    candidates = []
    for index, (start, end) in enumerate(segments):
        left, right = start, end
        if radius is not None:
            middle = (start + end) / 2
            left, right = max(start, middle - radius * stride), min(end, middle + radius * stride)
        reach = max(center - start, end - center)
        if left < center < right and low <= reach < high:
            candidates.append((end - start, index))
    if not candidates:
        return None, set()
    shortest = min(candidates)[0]
    winners = [index for length, index in candidates if length <= shortest + 1e-3]
    if match == 'all':
        return winners[0], {labels[index] for _, index in candidates}
    return winners[0], {labels[index] for index in winners}


def padded(videos):
    most = max(1, *(len(segments) for segments, _ in videos)) + 1
    segments = torch.tensor([[[0.0, 1.0]] * most] * len(videos))
    labels = torch.zeros(len(videos), most, dtype=torch.int64)
    masks = torch.zeros(len(videos), most, dtype=torch.bool)
    for video, (some, classes) in enumerate(videos):
        for index, (segment, label) in enumerate(zip(some, classes, strict=True)):
            segments[video, index] = torch.tensor(segment)
            labels[video, index] = label
            masks[video, index] = True
    return GroundTruths(segments, labels, masks)


quarter = st.integers(-4, 72).map(lambda value: value / 4)  # exact in float32, meets every border
segment = st.tuples(quarter, st.integers(1, 70)).map(lambda x: (x[0], x[0] + x[1] / 4))
video = st.lists(st.tuples(segment, st.integers(0, NUM_CLASSES - 1)), max_size=5).map(
    lambda pairs: ([pair[0] for pair in pairs], [pair[1] for pair in pairs])
)


@settings(max_examples=60)
@given(
    videos=st.lists(video, min_size=2, max_size=3),
    radius=st.sampled_from([None, 0.5, 1.5, 3]),
    match=st.sampled_from(['shortest', 'all']),
)
def test_equals_loop(videos, radius, match):
    assigner = PointAssigner(num_classes=NUM_CLASSES, center_sampling_radius=radius, match=match)
    targets = assigner(POINTS, padded(videos))
    for row, (segments, labels) in enumerate(videos):
        columns = zip(
            POINTS.centers.tolist(),
            POINTS.strides.tolist(),
            POINTS.regress_ranges.tolist(),
            strict=True,
        )
        for index, point in enumerate(columns):
            winner, classes = assign_by_loop(point, segments, labels, radius, match)
            one_hot = [float(label in classes) for label in range(NUM_CLASSES)]
            assert targets.class_targets[row, index].tolist() == one_hot
            if winner is None:
                assert targets.gt_inds[row, index] == -1
                assert targets.gt_labels[row, index] == 0
                continue
            assert targets.gt_inds[row, index] == winner
            assert targets.gt_labels[row, index] == labels[winner]
            assert tuple(targets.segments[row, index].tolist()) == segments[winner]
    assert torch.equal(targets.positives, targets.gt_inds >= 0)


@settings(max_examples=60)
@given(videos=st.lists(video, min_size=2, max_size=3), radius=st.sampled_from([None, 0.5, 1.5, 3]))
def test_each_class_as_if_it_were_alone(videos, radius):
    """Per class, against the loop over the ground truths of one class."""
    assigner = PointAssigner(
        num_classes=NUM_CLASSES, center_sampling_radius=radius, match='all', per_class=True
    )
    targets = assigner(POINTS, padded(videos))
    shared = PointAssigner(num_classes=NUM_CLASSES, center_sampling_radius=radius, match='all')
    assert torch.equal(targets.class_targets, shared(POINTS, padded(videos)).class_targets)
    assert targets.gt_inds.shape == targets.gt_labels.shape == targets.class_targets.shape
    columns = list(zip(*(x.tolist() for x in POINTS[:3]), strict=True))
    for row, (segments, labels) in enumerate(videos):
        for label in range(NUM_CLASSES):
            own = [index for index, other in enumerate(labels) if other == label]
            for index, point in enumerate(columns):
                winner, _ = assign_by_loop(
                    point, [segments[i] for i in own], [label] * len(own), radius
                )
                found = targets.gt_inds[row, index, label].item()
                assert found == (-1 if winner is None else own[winner])
                assert targets.positives[row, index, label] == (winner is not None)
                if winner is None:
                    assert targets.gt_labels[row, index, label] == 0
                else:
                    assert targets.gt_labels[row, index, label] == label
                    segment = tuple(targets.segments[row, index, label].tolist())
                    assert segment == segments[found]


def test_valid_points_alone():
    mask = torch.zeros(2, 28, dtype=torch.bool)
    mask[:, 2] = True
    for per_class in (False, True):
        targets = assign([(1.0, 4.0)], [1], match='all', per_class=per_class)
        positives, kept = targets.positives, targets.within(mask).positives
        assert positives.sum() > kept.sum() == 1
        assert kept[0, 2].any()


def assign(segments, labels, **kwargs):
    assigner = PointAssigner(num_classes=NUM_CLASSES, **kwargs)
    return assigner(POINTS, padded([(segments, labels), ([], [])]))


def test_ties_are_multi_hot_and_the_first_leads():
    # within 1e-3 grid steps of length: equally short, although the second is the shorter
    targets = assign([(1.0, 4.0), (1.0, 3.9995), (0.0, 5.0)], [2, 0, 1])
    assert targets.class_targets[0, 2].tolist() == [1, 0, 1]
    assert targets.gt_inds[0, 2] == 0
    assert targets.gt_labels[0, 2] == 2
    assert targets.segments[0, 2].tolist() == [1, 4]
    # just beyond: the shorter alone
    targets = assign([(1.0, 4.0), (1.0, 3.99)], [2, 0])
    assert targets.class_targets[0, 2].tolist() == [1, 0, 0]
    assert targets.gt_inds[0, 2] == 1


def test_two_of_the_same_class_stay_one():
    assert assign([(1.0, 4.0), (1.0, 4.0)], [1, 1]).class_targets[0, 2].tolist() == [0, 1, 0]


def test_all_classes_that_fit_or_the_shortest_alone():
    segments, labels = [(0.0, 5.0), (1.0, 4.0), (0.0, 16.0)], [1, 2, 0]
    # Class 0 is out of the range of the point.
    for match, classes in (('shortest', [0, 0, 1]), ('all', [0, 1, 1])):
        targets = assign(segments, labels, center_sampling_radius=None, match=match)
        assert targets.class_targets[0, 2].tolist() == classes
        assert targets.gt_inds[0, 2] == 1
        assert targets.gt_labels[0, 2] == 2
        assert targets.segments[0, 2].tolist() == [1, 4]


def test_users_mistakes():
    with pytest.raises(ValueError, match="match to be 'shortest' or 'all' but got 'every'"):
        PointAssigner(num_classes=3, match='every')
    for radius in (0, -1, float('nan')):
        with pytest.raises(ValueError, match=f'center_sampling_radius .* > 0, .* but got {radius}'):
            PointAssigner(num_classes=3, center_sampling_radius=radius)
    with pytest.raises(ValueError, match="match to be 'all' with per_class but got 'shortest'"):
        PointAssigner(num_classes=3, per_class=True)


def test_range_is_half_open_and_takes_the_larger_distance():
    inside = assign([(0.0, 5.0)], [0], center_sampling_radius=None).positives[0]
    assert inside[:5].tolist() == [False, False, True, True, False]  # at 2: 3; at 1: 4, next level
    assert inside[16:20].tolist() == [False, False, True, False]  # stride 2: at 4, larger is 4
    assert not inside[24:].any()


def test_center_sampling_is_in_strides_of_the_level_and_cut_to_the_segment():
    wide = assign([(0.0, 6.0)], [0], center_sampling_radius=1.5).positives[0]
    assert wide[:16].nonzero().flatten().tolist() == [3]  # 1.5 .. 4.5; at 2 and 4 reach is 4
    assert POINTS.centers[16:24][wide[16:24]].tolist() == [2, 4]  # 0 .. 6
    tiny = assign([(2.0, 3.0)], [0], center_sampling_radius=1.5).positives[0]
    assert not tiny.any()  # its own borders cut the sampling region; no point lies inside


def test_no_ground_truth_is_all_background():
    targets = assign([], [])
    assert not targets.positives.any()
    assert (targets.class_targets == 0).all()
    assert targets.segments.isfinite().all()


@pytest.mark.parametrize('requires_grad', [True, False])
def test_nothing_carries_a_gradient(requires_grad):
    truths = padded([([(1.0, 4.0)], [1])] * 2)
    truths.segments.requires_grad_(requires_grad)
    targets = PointAssigner(num_classes=3)(POINTS, truths)
    assert not targets.segments.requires_grad
    assert not targets.class_targets.requires_grad
