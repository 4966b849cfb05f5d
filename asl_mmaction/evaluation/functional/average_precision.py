"""Interpolated average precision at tIoU thresholds, by the ActivityNet protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from asl_mmaction.evaluation.functional.instances import (
    Instances,
    checked_instances,
    checked_thresholds,
    overlapping_pairs,
)
from asl_mmaction.files.mistakes import ValueMistake


class AveragePrecision(NamedTuple):
    """Average precision per tIoU threshold and class.

    Attributes:
        ap: (T, K) float64 in [0, 1]; 0 for classes without ground truth.
        num_ground_truths: (K,) int64; classes with 0 do not count in ``mean_ap``.
        num_detections: (K,) int64.
    """

    ap: np.ndarray
    num_ground_truths: np.ndarray
    num_detections: np.ndarray

    @property
    def mean_ap(self) -> np.ndarray:
        """mAP per threshold, over the classes that have ground truths; 0 if none has. (T,)"""
        present = self.num_ground_truths > 0
        return self.ap[:, present].sum(axis=1) / max(present.sum(), 1)


class Matches(NamedTuple):
    """What each of D detections finds at T tIoU thresholds, see :func:`match_detections`.

    Attributes:
        ground_truths: G of them, checked.
        detections: Checked, in the order of :func:`ranking`.
        order: (D,) that order: where each stood before.
        found: (T, D) a ground truth, or -1 for a false positive.
        thresholds: (T,)
        num_classes: K.
    """

    ground_truths: Instances
    detections: Instances
    order: np.ndarray
    found: np.ndarray
    thresholds: np.ndarray
    num_classes: int


def average_precision(
    ground_truths: Instances,
    detections: Instances,
    num_classes: int,
    tiou_thresholds: Sequence[float],
) -> AveragePrecision:
    """Interpolated average precision of every class.

    Per class and threshold, detections come by falling score; equal scores by video number, then by
    position in the input. Each takes, among the ground truths of its video and class that are still
    free, the one of highest tIoU (the first of equals) if that reaches the threshold, and is then a
    true positive; all others, also those in videos without ground truth, are false positives.
    Precision at a recall is the highest at that recall or a higher one.

    The numbers are those of mmaction2's ``ActivityNetLocalization`` and
    ``average_precision_at_temporal_iou``, but for three things: the order of equal scores is open
    there; their tIoU is float32, so that one next to a threshold may fall on the other side; and
    the latter sums in float32 too, which is right to about 1e-6.

    Args:
        ground_truths: Without scores.
        detections: With scores.
        num_classes: K.
        tiou_thresholds: T numbers in (0, 1].

    Raises:
        ValueError: If shapes do not fit, labels are out of range, numbers are not finite, or a
            threshold is outside (0, 1].
    """
    matches = match_detections(ground_truths, detections, num_classes, tiou_thresholds)
    ground_truths, detections, found = matches.ground_truths, matches.detections, matches.found
    num_ground_truths = np.bincount(ground_truths.labels, minlength=num_classes)
    num_detections = np.bincount(detections.labels, minlength=num_classes)
    ap = np.zeros((len(found), num_classes))
    for label, of_class in _classes(num_ground_truths, num_detections):
        ranks = np.arange(1, num_detections[label] + 1)
        ap[:, label] = interpolated_ap(found[:, of_class] >= 0, ranks, num_ground_truths[label])
    return AveragePrecision(ap, num_ground_truths, num_detections)


def grouped_average_precision(
    ground_truths: Instances,
    detections: Instances,
    num_classes: int,
    tiou_thresholds: Sequence[float],
    ground_truth_groups: np.ndarray,
    detection_groups: np.ndarray,
    num_groups: int,
) -> list[AveragePrecision]:
    """`average_precision` for one group of ground truths after the other, such as the short ones.

    Detections are matched once, with the ground truths of all groups, as in `average_precision`.
    For a group then count: its ground truths; the detections matched with them; and, as false
    positives, the detections of the group itself that are matched with none. A detection matched
    with a ground truth of another group is neither right nor wrong.

    Args:
        ground_truths: Without scores.
        detections: With scores.
        num_classes: K.
        tiou_thresholds: T numbers in (0, 1].
        ground_truth_groups: (G,) integers in [0, num_groups).
        detection_groups: (D,) the same.
        num_groups: B.

    Returns:
        B results; ``num_detections`` are those of the group itself.

    Raises:
        ValueError: As `average_precision` does; also if groups do not fit or are out of range.
    """
    gt_groups = _checked_groups(ground_truth_groups, ground_truths, num_groups, 'ground truths')
    own_groups = _checked_groups(detection_groups, detections, num_groups, 'detections')
    matches = match_detections(ground_truths, detections, num_classes, tiou_thresholds)
    ground_truths, detections, found = matches.ground_truths, matches.detections, matches.found
    own_groups = own_groups[matches.order]
    # The group for which each detection counts; -1 picks the 0 at the end, which is not used.
    groups = np.where(found >= 0, np.append(gt_groups, 0)[found], own_groups)  # (T, D)
    all_detections = np.bincount(detections.labels, minlength=num_classes)
    results = []
    for group in range(num_groups):
        num_ground_truths = np.bincount(
            ground_truths.labels[gt_groups == group], minlength=num_classes
        )
        own = detections.labels[own_groups == group]
        ap = np.zeros((len(found), num_classes))
        for label, of_class in _classes(num_ground_truths, all_detections):
            counted = groups[:, of_class] == group
            ap[:, label] = interpolated_ap(
                counted & (found[:, of_class] >= 0),
                np.maximum(np.cumsum(counted, axis=1), 1),
                num_ground_truths[label],
            )
        num_detections = np.bincount(own, minlength=num_classes)
        results.append(AveragePrecision(ap, num_ground_truths, num_detections))
    return results


def _checked_groups(
    groups: np.ndarray, instances: Instances, num_groups: int, what: str
) -> np.ndarray:
    groups = np.asarray(groups, dtype=np.int64)
    if groups.shape != (len(instances.videos),):
        raise ValueMistake(
            f'expected a group for each of {len(instances.videos)} {what} but got {groups.shape}'
        )
    wrong = groups[(groups < 0) | (groups >= num_groups)]
    if len(wrong):
        raise ValueMistake(
            f'expected groups of {what} in [0, {num_groups}) but got {np.unique(wrong).tolist()}'
        )
    return groups


def ranking(detections: Instances) -> np.ndarray:
    """The order in which detections are matched: class, falling score, video, position. (D,)"""
    return np.lexsort((detections.videos, -detections.scores, detections.labels))


def match_detections(
    ground_truths: Instances,
    detections: Instances,
    num_classes: int,
    tiou_thresholds: Sequence[float] | np.ndarray,
) -> Matches:
    """Match detections with ground truths by the rules of `average_precision`.

    Args:
        ground_truths: Without scores.
        detections: With scores.
        num_classes: K.
        tiou_thresholds: T numbers in (0, 1].

    Raises:
        ValueError: As `average_precision` does.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    ground_truths = checked_instances(ground_truths, num_classes, 'ground truths')
    detections = checked_instances(detections, num_classes, 'detections')
    order = ranking(detections)
    detections = Instances(*(column[order] for column in detections))
    found = _match(ground_truths, detections, num_classes, thresholds)
    return Matches(ground_truths, detections, order, found, thresholds, num_classes)


def _classes(
    num_ground_truths: np.ndarray, num_detections: np.ndarray
) -> Iterator[tuple[int, slice]]:
    """Classes that have ground truths and detections, each with the slice of its detections."""
    stops = np.cumsum(num_detections)
    for label in np.flatnonzero(num_ground_truths * num_detections).tolist():
        yield label, slice(stops[label] - num_detections[label], stops[label])


def interpolated_ap(
    matched: np.ndarray, num_counted: np.ndarray, num_ground_truths: int | np.ndarray
) -> np.ndarray:
    """Average precision of one class.

    Args:
        matched: (T, D) bool, the true positives, by falling score.
        num_counted: (D,) or (T, D), how many detections count up to each.
        num_ground_truths: number of them, or (T,).

    Returns:
        (T,)
    """
    precision = np.cumsum(matched, axis=1) / num_counted
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # Recall rises by one ground truth at each true positive and nowhere else.
    return np.where(matched, envelope, 0.0).sum(axis=1) / num_ground_truths


def _match(
    ground_truths: Instances, detections: Instances, num_classes: int, thresholds: np.ndarray
) -> np.ndarray:
    """What detections, sorted by rank within their class, find: a ground truth or -1. (T, D)

    Detections in order of rank, each taking its favourite free ground truth, is the one stable
    matching between them: every ground truth prefers the same, better ranked, detection. So it may
    be found in any order, and all detections propose at once: a ground truth holds on to the best
    ranked that asked; the others ask the next on their list in the next round (Gale and Shapley).
    """
    num_detections, num_ground_truths = len(detections.videos), len(ground_truths.videos)
    pairs = overlapping_pairs(ground_truths, detections, num_classes, thresholds.min(initial=1.0))
    first = np.searchsorted(pairs.detections, np.arange(num_detections))
    # Suitors number t * D + d, ground truths t * G + g: all thresholds in the same rounds.
    asks = np.tile(first, len(thresholds))
    ends = np.concatenate(
        [
            first + np.bincount(pairs.detections[pairs.tious >= threshold], None, num_detections)
            for threshold in thresholds
        ]
        or [asks]
    ).astype(np.int64)
    nobody = len(asks)
    holders = np.full(len(thresholds) * num_ground_truths, nobody)
    free = np.flatnonzero(asks < ends)
    while len(free):
        asked = pairs.ground_truths[asks[free]] + free // num_detections * num_ground_truths
        before = holders[asked]
        # Of repeated targets the last assignment counts: backwards, that is the best ranked.
        better = free < before
        holders[asked[better][::-1]] = free[better][::-1]
        dismissed = np.unique(before[better])
        refused = free[holders[asked] != free]
        free = np.concatenate([refused, dismissed[dismissed < nobody]])
        asks[free] += 1
        free = np.sort(free[asks[free] < ends[free]])
    found = np.full(nobody, -1)
    held = np.flatnonzero(holders < nobody)
    found[holders[held]] = held % num_ground_truths
    return found.reshape(len(thresholds), num_detections)
