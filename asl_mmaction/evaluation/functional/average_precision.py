"""Interpolated average precision at tIoU thresholds, by the ActivityNet protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asl_mmaction.structures.segments import tiou_of_ends

# Detections compared with their ground truths at a time: bounds the memory.
_CHUNK = 1 << 16


class Instances(NamedTuple):
    """Ground truths or detections of any number of videos, in any order.

    Attributes:
        videos: (n,) integers, the video of each.
        segments: (n, 2) float, unit of time as you like, the same for both sides.
        labels: (n,) integers in [0, num_classes).
        scores: (n,) float, detections only.
    """

    videos: np.ndarray
    segments: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None


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

    Args:
        ground_truths: without scores.
        detections: with scores.
        num_classes: K.
        tiou_thresholds: T numbers in (0, 1].

    Raises:
        ValueError: if shapes do not fit, labels are out of range, numbers are not finite, or a
            threshold is outside (0, 1].
    """
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64)
    if thresholds.ndim != 1 or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueError(f'expected tIoU thresholds in (0, 1] but got {tiou_thresholds}')
    ground_truths = _checked(ground_truths, num_classes, 'ground truths')
    detections = _checked(detections, num_classes, 'detections')
    order = np.lexsort((detections.videos, -detections.scores, detections.labels))
    detections = Instances(*(column[order] for column in detections))
    matched = _match(ground_truths, detections, num_classes, thresholds)  # (T, D)
    num_ground_truths = np.bincount(ground_truths.labels, minlength=num_classes)
    num_detections = np.bincount(detections.labels, minlength=num_classes)
    ap = np.zeros((len(thresholds), num_classes))
    stops = np.cumsum(num_detections)
    for label in np.flatnonzero(num_ground_truths * num_detections):
        of_class = slice(stops[label] - num_detections[label], stops[label])
        ap[:, label] = _interpolated_ap(matched[:, of_class], num_ground_truths[label])
    return AveragePrecision(ap, num_ground_truths, num_detections)


def _checked(instances: Instances, num_classes: int, what: str) -> Instances:
    count = len(instances.videos)
    scores = np.zeros(count) if instances.scores is None else instances.scores
    checked = Instances(
        np.asarray(instances.videos, dtype=np.int64),
        np.asarray(instances.segments, dtype=np.float64).reshape(-1, 2),
        np.asarray(instances.labels, dtype=np.int64),
        np.asarray(scores, dtype=np.float64),
    )
    lengths = [len(column) for column in checked]
    if lengths != [count] * 4:
        raise ValueError(
            f'expected as many videos, segments, labels and scores of {what} but got {lengths}'
        )
    if not (np.isfinite(checked.segments).all() and np.isfinite(checked.scores).all()):
        raise ValueError(f'expected finite {what} but got nan or inf among them')
    wrong = checked.labels[(checked.labels < 0) | (checked.labels >= num_classes)]
    if len(wrong):
        raise ValueError(
            f'expected labels of {what} in [0, {num_classes}) but got {np.unique(wrong).tolist()}'
        )
    return checked


def _interpolated_ap(matched: np.ndarray, num_ground_truths: int) -> np.ndarray:
    """(T, D) bool by falling score -> (T,)."""
    precision = np.cumsum(matched, axis=1) / np.arange(1, matched.shape[1] + 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # Recall rises by one ground truth at each true positive and nowhere else.
    return np.where(matched, envelope, 0.0).sum(axis=1) / num_ground_truths


class _Pairs(NamedTuple):
    """Detections with ground truths of their video and class that overlap enough to matter.

    Sorted by detection, then by falling tIoU, then by ground truth.
    """

    detections: np.ndarray  # (n,)
    ground_truths: np.ndarray  # (n,)
    tious: np.ndarray  # (n,)


def _match(
    ground_truths: Instances, detections: Instances, num_classes: int, thresholds: np.ndarray
) -> np.ndarray:
    """Which detections, sorted by rank within their class, are true positives. (T, D) bool

    Detections in order of rank, each taking its favourite free ground truth, is the one stable
    matching between them: every ground truth prefers the same, better ranked, detection. So it may
    be found in any order, and all detections propose at once: a ground truth holds on to the best
    ranked that asked; the others ask the next on their list in the next round (Gale and Shapley).
    """
    num_detections, num_ground_truths = len(detections.videos), len(ground_truths.videos)
    pairs = _overlapping_pairs(ground_truths, detections, num_classes, thresholds.min(initial=1.0))
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
    matched = np.zeros(nobody, dtype=bool)
    matched[holders[holders < nobody]] = True
    return matched.reshape(len(thresholds), num_detections)


def _overlapping_pairs(
    ground_truths: Instances, detections: Instances, num_classes: int, min_tiou: float
) -> _Pairs:
    """Pairs of the same video and class with a tIoU of at least ``min_tiou`` (> 0)."""
    gt_keys = ground_truths.videos * num_classes + ground_truths.labels
    det_keys = detections.videos * num_classes + detections.labels
    gt_order = np.argsort(gt_keys, kind='stable')
    gt_keys = gt_keys[gt_order]
    gt_starts, gt_ends = ground_truths.segments[gt_order].T.copy()
    det_starts, det_ends = detections.segments.T.copy()
    begins = np.searchsorted(gt_keys, det_keys, 'left')
    counts = np.searchsorted(gt_keys, det_keys, 'right') - begins
    chunks = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for low in range(0, len(det_keys), _CHUNK):
        count = counts[low : low + _CHUNK]
        det = np.repeat(np.arange(low, low + len(count)), count)
        gt = np.arange(len(det)) + np.repeat(
            begins[low : low + _CHUNK] - count.cumsum() + count, count
        )
        tiou = tiou_of_ends(det_starts[det], det_ends[det], gt_starts[gt], gt_ends[gt])
        enough = np.flatnonzero(tiou >= min_tiou)
        chunks.append((det[enough], gt_order[gt[enough]], tiou[enough]))
    det, gt, tiou = (np.concatenate(column) for column in zip(*chunks, strict=True))
    order = np.lexsort((-tiou, det))
    return _Pairs(det[order], gt[order], tiou[order])
