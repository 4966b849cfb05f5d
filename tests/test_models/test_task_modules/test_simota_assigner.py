"""The assigner by predictions against loops over points and ground truths."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asl_mmaction.models.sensitivity import ClassSensitivity
from asl_mmaction.models.task_modules import PointAssigner, PointGenerator, SimOTAAssigner
from asl_mmaction.structures.candidates import DenseCandidates
from asl_mmaction.structures.point_targets import GroundTruths

STRIDES, RANGES, NUM_CLASSES, STEPS = [1, 2, 4], [(0, 6), (3, 12), (6, 10000)], 3, (16, 8, 4)
GENERATOR = PointGenerator(strides=STRIDES, regress_ranges=RANGES)
POINTS = GENERATOR(STEPS, torch.device('cpu'))
NUM_POINTS = sum(STEPS)
WAYS = [('cheapest', False), ('all', False), ('all', True)]


@pytest.fixture(scope='module', autouse=True)
def _double(all_double):
    """Costs in float64."""


def tiou(a, b):
    inter = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return inter / (max(a[1], b[1]) - min(a[0], b[0])) if inter else 0.0


def choose_by_loop(candidate, cost, overlap, topk):
    """(point, truth) of one video that the ground truths choose: rows of (P, G) lists."""
    chosen = set()
    for truth in range(len(cost[0])):
        own = [point for point in range(len(cost)) if candidate[point][truth]]
        best = sorted((overlap[point][truth] for point in own), reverse=True)[:topk]
        k = max(1, int(sum(best)))
        by_cost = sorted(own, key=lambda point: cost[point][truth])  # stable: ties in order
        chosen |= {(point, truth) for point in by_cost[:k]}
    return chosen


def targets_by_loop(chosen, cost, labels, match, per_class):
    """{point: (truth, classes)}, or with ``per_class`` {(point, class): (truth, {class})}."""
    groups = {}
    for point, truth in sorted(chosen):
        groups.setdefault((point, labels[truth]) if per_class else point, []).append(truth)
    found = {}
    for key, truths in groups.items():
        row = cost[key[0] if per_class else key]
        least = min(row[truth] for truth in truths)
        tied = [truth for truth in truths if row[truth] == least]
        found[key] = tied[0], {labels[truth] for truth in (truths if match == 'all' else tied)}
    return found


def assert_targets(targets, video, expected, segments, labels, per_class):
    """Those of one video are what the loop has found."""
    for point in range(targets.class_targets.size(1)):
        keys = [(point, label) for label in range(NUM_CLASSES)] if per_class else [point]
        classes = set().union(*(expected[key][1] for key in keys if key in expected))
        one_hot = [float(label in classes) for label in range(NUM_CLASSES)]
        assert targets.class_targets[video, point].tolist() == one_hot
        for key in keys:
            where = (video, *key) if per_class else (video, key)
            if key not in expected:
                assert targets.gt_inds[where] == -1
                assert targets.gt_labels[where] == 0
                continue
            truth = expected[key][0]
            assert targets.gt_inds[where] == truth
            assert targets.gt_labels[where] == labels[truth]
            assert targets.segments[where].tolist() == segments[truth]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    num_gts=st.integers(1, 6),
    topk=st.sampled_from([1, 2, 10, 100]),
    levels=st.sampled_from([1, 2, 4, 100]),
    way=st.sampled_from(WAYS),
)
def test_choice_and_conflicts_equal_a_loop_with_ties(seed, num_gts, topk, levels, way):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, NUM_POINTS, num_gts)
    candidate = torch.rand(shape, generator=generator) < 0.5
    cost = torch.randint(levels, shape, generator=generator).double()
    overlap = torch.randint(9, shape, generator=generator).double() / 8  # sums are exact
    labels = torch.randint(NUM_CLASSES, (2, num_gts), generator=generator)
    segments = torch.rand(2, num_gts, 2, generator=generator)
    truths = GroundTruths(segments, labels, torch.ones_like(labels, dtype=torch.bool))
    match, per_class = way
    assigner = SimOTAAssigner(num_classes=NUM_CLASSES, topk=topk, match=match, per_class=per_class)
    chosen = assigner.choose(candidate, cost, overlap)
    targets = assigner.make_targets(chosen, cost, 0.0, truths)
    for video in range(2):
        rows = candidate[video].tolist(), cost[video].tolist(), overlap[video].tolist()
        by_loop = choose_by_loop(*rows, topk)
        assert set(map(tuple, chosen[video].nonzero().tolist())) == by_loop
        own = labels[video].tolist()
        expected = targets_by_loop(by_loop, rows[1], own, match, per_class)
        assert_targets(targets, video, expected, segments[video].tolist(), own, per_class)


def problem(seed, num_gts=4, per_class=False, steps=STEPS):
    """Points, predictions for them, ground truths; the second video is shorter."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    points = GENERATOR(steps, torch.device('cpu'))
    shape = (2, sum(steps), NUM_CLASSES) if per_class else (2, sum(steps))
    centers, strides = points.centers, points.strides
    if per_class:
        centers, strides = centers[:, None], strides[:, None]
    away = rand(*shape, 2) * 8 * strides[..., None]
    segments = torch.stack([centers - away[..., 0], centers + away[..., 1]], -1)
    masks = torch.stack([points.centers < steps[0], points.centers < steps[0] * 3 // 4])
    found = DenseCandidates(segments, rand(2, sum(steps), NUM_CLASSES), masks)
    start = rand(2, num_gts) * 12
    truths = GroundTruths(
        torch.stack([start, start + 0.3 + rand(2, num_gts) ** 2 * 15], -1),
        torch.randint(NUM_CLASSES, (2, num_gts), generator=generator),
        rand(2, num_gts) < 0.8,
    )
    return points, found, truths


def costs_by_loop(points, found, truths, video, weights, class_level=None):
    """(P, G) lists of cost and tIoU."""
    cost, overlap = [], []
    scores, predicted = found.scores[video].tolist(), found.segments[video].tolist()
    for point, center in enumerate(points.centers.tolist()):
        cost.append([])
        overlap.append([])
        for (start, end), label in zip(
            truths.segments[video].tolist(), truths.labels[video].tolist(), strict=True
        ):
            segment = predicted[point]
            u = tiou(segment if found.segments.dim() == 3 else segment[label], (start, end))
            value = -weights[0] * math.log(max(scores[point][label], 1e-7))
            value -= weights[1] * math.log(max(u, 1e-7))
            if class_level is not None:
                distance = (center - (start + end) / 2) / (end - start)
                for p in class_level(torch.tensor(distance), torch.tensor(label)):
                    value -= weights[2] * math.log(max(p.item(), 1e-7)) if p is not None else 0
            cost[-1].append(value)
            overlap[-1].append(u)
    return cost, overlap


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    num_gts=st.integers(1, 6),
    radius=st.sampled_from([None, 1.5, 3]),
    topk=st.sampled_from([1, 3, 10]),
    own_segments=st.booleans(),
    gaussians=st.sampled_from([None, 'learnable', 'none']),
    way=st.sampled_from(WAYS),
)
def test_equals_loop(seed, num_gts, radius, topk, own_segments, gaussians, way):
    points, found, truths = problem(seed, num_gts, own_segments)
    match, per_class = way
    weights = (1.5, 2.0, 0.5 if gaussians else 0.0)
    class_level = None
    if gaussians:
        class_level = ClassSensitivity(num_classes=NUM_CLASSES, loc=gaussians, sigma_init=0.2)
        torch.nn.init.uniform_(class_level.mu_cls, -0.4, 0.4)
    assigner = SimOTAAssigner(
        num_classes=NUM_CLASSES,
        center_sampling_radius=radius,
        match=match,
        per_class=per_class,
        cls_weight=weights[0],
        iou_weight=weights[1],
        topk=topk,
        sensitivity_power=weights[2],
    )
    # Which points fit a ground truth is tested against a loop with the other assigner.
    fits = PointAssigner(num_classes=NUM_CLASSES, center_sampling_radius=radius)
    candidate = fits.find_candidates(points, truths) & found.masks[..., None]
    cost, overlap = assigner.costs(points, truths, found, class_level)
    targets = assigner(points, truths, found, class_level)
    for video in range(2):
        by_loop = costs_by_loop(points, found, truths, video, weights, class_level)
        torch.testing.assert_close(cost[video], torch.tensor(by_loop[0]))
        torch.testing.assert_close(overlap[video], torch.tensor(by_loop[1]))
        rows = candidate[video].tolist()
        for truth in range(num_gts):  # away from where a rounding decides
            best = sorted(
                (by_loop[1][i][truth] for i in range(NUM_POINTS) if rows[i][truth]), reverse=True
            )
            total = sum(best[:topk])
            assume(total == 0 or abs(total - round(total)) > 1e-9)
        chosen = choose_by_loop(rows, *by_loop, topk)
        labels = truths.labels[video].tolist()
        expected = targets_by_loop(chosen, by_loop[0], labels, match, per_class)
        segments = truths.segments[video].tolist()
        assert_targets(targets, video, expected, segments, labels, per_class)


def test_by_hand():
    """Two ground truths over five points of one level."""
    points = PointGenerator(strides=[1], regress_ranges=[(0, 10000)])([5], torch.device('cpu'))
    segments = torch.tensor([[[0.0, 4], [0, 4], [0, 2], [1, 5], [0, 9]]])
    scores = torch.tensor([[[0.5, 0.1], [0.4, 0.1], [0.9, 0.7], [0.1, 0.8], [0.1, 0.9]]])
    found = DenseCandidates(segments, scores, torch.ones(1, 5, dtype=torch.bool))
    truths = GroundTruths(
        torch.tensor([[[-1.0, 4], [1.5, 5]]]), torch.tensor([[0, 1]]), torch.tensor([[True, True]])
    )
    # First: tIoU 4/5 4/5 2/5 3/6 (of points 0 to 3): 2.5, so two points, those of 0.5 * 16/25 =
    # 0.32 and 0.256; point 2 is worth 0.9 * 4/25. Second: 1/10, 7/8, 7/18 (of 2 to 4): one point.
    kwargs = dict(num_classes=2, center_sampling_radius=None)
    targets = SimOTAAssigner(**kwargs)(points, truths, found)
    assert targets.gt_inds.tolist() == [[0, 0, -1, 1, -1]]
    assert targets.class_targets[0].tolist() == [[1, 0], [1, 0], [0, 0], [0, 1], [0, 0]]
    # By scores alone point 2 is the best for the first, and point 4 for the second.
    targets = SimOTAAssigner(**kwargs, iou_weight=0.0)(points, truths, found)
    assert targets.gt_inds.tolist() == [[0, -1, 0, -1, 1]]
    # The best alone
    targets = SimOTAAssigner(**kwargs, topk=1)(points, truths, found)
    assert targets.gt_inds.tolist() == [[0, -1, -1, 1, -1]]


@pytest.mark.parametrize('own_segments', [False, True])
@pytest.mark.parametrize(('match', 'per_class'), WAYS)
def test_padding_and_batching_change_nothing(match, per_class, own_segments):
    assigner = SimOTAAssigner(num_classes=NUM_CLASSES, match=match, per_class=per_class)
    points, found, truths = problem(3, 5, own_segments)
    targets = assigner(points, truths, found)
    assert targets.positives.sum() > 5
    # More steps, with predictions that no step of a video could beat
    longer = (24, 12, 6)
    more, other, _ = problem(4, 5, own_segments, longer)
    kept = more.centers < STEPS[0]
    other.masks[:] = False
    other.scores[:] = 1.0
    for value, source in zip(other[:3], found[:3], strict=True):
        value[:, kept] = source
    padded = assigner(more, truths, other)
    for name in ('class_targets', 'gt_inds', 'gt_labels'):
        assert torch.equal(getattr(padded, name)[:, kept], getattr(targets, name))
    assert torch.equal(
        padded.segments[:, kept][targets.positives], targets.segments[targets.positives]
    )
    assert not padded.positives[:, ~kept].any()
    for video in range(2):
        only = slice(video, video + 1)
        alone = assigner(
            points,
            GroundTruths(*(value[only] for value in truths[:3])),
            DenseCandidates(*(value[only] for value in found[:3])),
        )
        for name in ('class_targets', 'gt_inds', 'gt_labels'):
            assert torch.equal(getattr(alone, name), getattr(targets, name)[only])


@pytest.mark.parametrize(('match', 'per_class'), WAYS)
def test_no_ground_truth_is_all_background(match, per_class):
    points, found, truths = problem(0)
    truths = truths._replace(masks=torch.zeros_like(truths.masks), segments=truths.segments * 0)
    class_level = ClassSensitivity(num_classes=NUM_CLASSES)
    assigner = SimOTAAssigner(
        num_classes=NUM_CLASSES, match=match, per_class=per_class, sensitivity_power=1.0
    )
    targets = assigner(points, truths, found, class_level)
    assert not targets.positives.any()
    assert not targets.class_targets.any()
    assert targets.segments.isfinite().all()


def test_a_ground_truth_without_overlap_gets_its_best_point():
    points, found, truths = problem(1, 1)
    found = found._replace(segments=found.segments + 1000)
    truths = GroundTruths(
        torch.tensor([[[1.0, 9.0]]] * 2), torch.tensor([[1]] * 2), torch.tensor([[True]] * 2)
    )
    targets = SimOTAAssigner(num_classes=NUM_CLASSES)(points, truths, found)
    assert targets.positives.sum(1).tolist() == [1, 1]
    fits = PointAssigner(num_classes=NUM_CLASSES).find_candidates(points, truths)[..., 0]
    score = torch.where(fits & found.masks, found.scores[..., 1], 0.0)
    assert targets.positives.int().argmax(1).tolist() == score.argmax(1).tolist()


def test_all_that_fit_may_be_learned():
    points, _, truths = problem(5)
    assigner = SimOTAAssigner(num_classes=NUM_CLASSES)
    fits = PointAssigner(num_classes=NUM_CLASSES, match='all')
    learnable = assigner.find_learnable(points, truths)
    assert torch.equal(learnable, fits.find_learnable(points, truths))
    shortest = PointAssigner(num_classes=NUM_CLASSES).find_learnable(points, truths)
    assert learnable.sum() > shortest.sum()


def test_users_mistakes():
    with pytest.raises(ValueError, match="match to be 'cheapest' or 'all' but got 'shortest'"):
        SimOTAAssigner(num_classes=3, match='shortest')
    with pytest.raises(ValueError, match="match to be 'all' with per_class but got 'cheapest'"):
        SimOTAAssigner(num_classes=3, per_class=True)
    for topk in (0, 2.5, True):
        message = f'expected topk of the assigner, an int >= 1, but got {topk}'
        with pytest.raises(ValueError, match=message):
            SimOTAAssigner(num_classes=3, topk=topk)
    for name in ('cls_weight', 'iou_weight', 'sensitivity_power'):
        for value in (-1, float('nan'), float('inf')):
            message = f'expected {name} of the assigner >= 0 but got {value}'
            with pytest.raises(ValueError, match=message):
                SimOTAAssigner(num_classes=3, **{name: value})
    assigner = SimOTAAssigner(num_classes=NUM_CLASSES, sensitivity_power=1.0)
    points, found, truths = problem(0)
    with pytest.raises(ValueError, match=r'expected head\.sensitivity with a class_level'):
        assigner(points, truths, found)
