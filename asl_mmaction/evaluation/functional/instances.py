"""Ground truths and detections of many videos as columns, and which of them overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.segments import tiou_of_ends

# Detections compared with their ground truths at a time: bounds the memory.
_CHUNK = 1 << 16


class Instances(NamedTuple):
    """Ground truths or detections of any number of videos, in any order.

    Attributes:
        videos: (n,) integers, the video of each.
        segments: (n, 2) float, unit of time as you like, the same for both sides.
        labels: (n,) integers in [0, num_classes).
        scores: (n,) float; of ground truths (0,).
    """

    videos: np.ndarray
    segments: np.ndarray
    labels: np.ndarray
    scores: np.ndarray = np.empty(0)


class Pairs(NamedTuple):
    """Detections with ground truths of their video and class that overlap enough to matter.

    Sorted by detection, then by falling tIoU, then by ground truth.
    """

    detections: np.ndarray  # (n,)
    ground_truths: np.ndarray  # (n,)
    tious: np.ndarray  # (n,)


def checked_thresholds(tiou_thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    """(T,) float64; raises a ValueError if one is outside (0, 1]."""
    thresholds = np.asarray(tiou_thresholds, dtype=np.float64)
    if thresholds.ndim != 1 or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise ValueMistake(f'expected tIoU thresholds in (0, 1] but got {tiou_thresholds}')
    return thresholds


def checked_instances(instances: Instances, num_classes: int, what: str) -> Instances:
    """Columns of the types that `Instances` names, scores of 0 where there are none.

    Raises:
        ValueError: If lengths differ, labels are out of range or numbers are not finite.
    """
    count = len(instances.videos)
    scores = instances.scores if len(instances.scores) else np.zeros(count)
    checked = Instances(
        np.asarray(instances.videos, dtype=np.int64),
        np.asarray(instances.segments, dtype=np.float64).reshape(-1, 2),
        np.asarray(instances.labels, dtype=np.int64),
        np.asarray(scores, dtype=np.float64),
    )
    lengths = [len(column) for column in checked]
    if lengths != [count] * 4:
        raise ValueMistake(
            f'expected as many videos, segments, labels and scores of {what} but got {lengths}'
        )
    if not (np.isfinite(checked.segments).all() and np.isfinite(checked.scores).all()):
        raise ValueMistake(f'expected finite {what} but got nan or inf among them')
    wrong = checked.labels[(checked.labels < 0) | (checked.labels >= num_classes)]
    if len(wrong):
        raise ValueMistake(
            f'expected labels of {what} in [0, {num_classes}) but got {np.unique(wrong).tolist()}'
        )
    return checked


def overlapping_pairs(
    ground_truths: Instances, detections: Instances, num_classes: int, min_tiou: float
) -> Pairs:
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
    return Pairs(det[order], gt[order], tiou[order])
