"""Recall of the best-ranked: AR@AN of proposals (ActivityNet) and Recall@kx of classes (Ego4D)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asl_mmaction.evaluation.functional.instances import (
    Instances,
    checked_instances,
    checked_thresholds,
    overlapping_pairs,
)
from asl_mmaction.files.mistakes import ValueMistake

# AR@AN is taken at so many average numbers, equally far apart.
NUM_BUDGETS = 100


class AverageRecall(NamedTuple):
    """Recall of class-agnostic proposals by how many a video may have on average.

    Attributes:
        recall: (T, 100) in [0, 1], by tIoU threshold and budget.
        average_numbers: (100,) the budgets: average proposals per video, rising.
        auc: Area under the recall averaged over the thresholds, from the first budget to the last,
            divided by the last; in [0, 1).
    """

    recall: np.ndarray
    average_numbers: np.ndarray
    auc: float


def average_recall(
    ground_truths: Instances,
    proposals: Instances,
    num_videos: int,
    tiou_thresholds: Sequence[float],
    max_average_number: float = 100,
) -> AverageRecall:
    """AR@AN by the ActivityNet protocol; labels are ignored.

    Each video's proposals come by falling score, equal scores by position. A video gives a fixed
    share of what it has, the same for all videos, so that they give ``max_average_number`` on
    average at the last budget (or all they have), and 1 / 100 of that at the first. A ground truth
    is recalled if any proposal given reaches the threshold; one proposal may recall several.

    The numbers are those of mmaction2's ``average_recall_at_avg_proposals``, including how its
    shares are rounded: down, in floating point (of 100 proposals, a video gives 28 at a budget of
    29). It differs in that its segments and tIoU are float32, so that a tIoU next to a threshold
    may fall on the other side; that the order of equal scores is open; that its AUC is in percent;
    and that it fails where a video or all of them have no proposals.

    Args:
        ground_truths: Of videos in [0, num_videos); those without any count too.
        proposals: With scores.
        num_videos: V.
        tiou_thresholds: T numbers in (0, 1].
        max_average_number: The last budget, > 0.

    Raises:
        ValueError: If shapes do not fit, videos are out of range, numbers are not finite, or a
            threshold or budget is out of range.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    if not max_average_number > 0:
        raise ValueMistake(f'expected max_average_number > 0 but got {max_average_number}')
    ground_truths = _agnostic(ground_truths, num_videos, 'ground truths')
    proposals = _agnostic(proposals, num_videos, 'proposals')
    fractions = np.arange(1, NUM_BUDGETS + 1) / NUM_BUDGETS
    total = float(len(proposals.videos))
    wanted = max_average_number * float(num_videos)
    numbers = np.bincount(proposals.videos, minlength=num_videos)
    # Products and quotients in the order of the reference, so that they round as its do.
    given = np.minimum((numbers * (wanted / max(total, 1))).astype(np.int64), numbers)
    shares = fractions * (wanted / max(given.sum(), 1))
    average_numbers = fractions * max_average_number
    budgets = np.minimum((given[:, None] * shares).astype(np.int64), given[:, None])  # (V, 100)
    ranks = _first_ranks(ground_truths, proposals, 1, thresholds)
    recall = np.zeros((len(thresholds), NUM_BUDGETS))
    if len(ground_truths.videos):
        of_video = budgets[ground_truths.videos]  # (G, 100)
        for row, rank in zip(recall, ranks, strict=True):
            row[:] = (rank[:, None] < of_video).mean(axis=0)
    auc = 0.0
    if len(thresholds):
        curve = recall.mean(axis=0)
        area = ((curve[1:] + curve[:-1]) / 2 * np.diff(average_numbers)).sum()
        auc = float(area / average_numbers[-1])
    return AverageRecall(recall, average_numbers, auc)


def recall_at_multiples(
    ground_truths: Instances,
    detections: Instances,
    num_classes: int,
    tiou_thresholds: Sequence[float],
    multiples: Sequence[int],
) -> np.ndarray:
    """Recall@kx of every class, as in Ego4D's moment queries.

    Where a video has n ground truths of a class, its k * n best-ranked detections of that class
    count, equal scores by position. A ground truth is recalled if any of them reaches the
    threshold; one detection may recall several. Videos of a class are taken together.

    Args:
        ground_truths: Without scores.
        detections: With scores.
        num_classes: K.
        tiou_thresholds: T numbers in (0, 1].
        multiples: M integers k >= 1.

    Returns:
        (T, M, K) in [0, 1]; 0 for classes without ground truth.

    Raises:
        ValueError: As `average_precision` does, and for multiples below 1.
    """
    thresholds = checked_thresholds(tiou_thresholds)
    factors = np.asarray(multiples)
    if not (factors.ndim == 1 and (factors >= 1).all() and (factors % 1 == 0).all()):
        raise ValueMistake(f'expected multiples to be integers >= 1 but got {factors.tolist()}')
    ground_truths = checked_instances(ground_truths, num_classes, 'ground truths')
    detections = checked_instances(detections, num_classes, 'detections')
    keys = ground_truths.videos * num_classes + ground_truths.labels
    _, index, counts = np.unique(keys, return_inverse=True, return_counts=True)
    counts = counts[index]  # (G,), ground truths of the same video and class
    ranks = _first_ranks(ground_truths, detections, num_classes, thresholds)
    recalled = ranks[:, None] < factors[:, None] * counts  # (T, M, G)
    totals = np.bincount(ground_truths.labels, minlength=num_classes)
    recall = np.zeros((len(thresholds), len(factors), num_classes))
    for label in np.flatnonzero(totals):
        of_class = ground_truths.labels == label
        recall[..., label] = recalled[..., of_class].sum(axis=-1) / totals[label]
    return recall


def _agnostic(instances: Instances, num_videos: int, what: str) -> Instances:
    """Checked instances, all of class 0."""
    labels = np.zeros(len(instances.videos), dtype=np.int64)
    instances = checked_instances(instances._replace(labels=labels), 1, what)
    wrong = instances.videos[(instances.videos < 0) | (instances.videos >= num_videos)]
    if len(wrong):
        raise ValueMistake(
            f'expected videos of {what} in [0, {num_videos}) but got {np.unique(wrong).tolist()}'
        )
    return instances


def _first_ranks(
    ground_truths: Instances, detections: Instances, num_classes: int, thresholds: np.ndarray
) -> np.ndarray:
    """The best rank (from 0, in its video and class) of a detection that reaches each ground truth.

    (T, G) int64; a number above all ranks if none does.
    """
    keys = detections.videos * num_classes + detections.labels
    order = np.lexsort((-detections.scores, keys))
    keys = keys[order]
    detections = Instances(*(column[order] for column in detections))
    ranks = np.arange(len(keys)) - np.searchsorted(keys, keys, 'left')
    pairs = overlapping_pairs(ground_truths, detections, num_classes, thresholds.min(initial=1.0))
    first = np.full((len(thresholds), len(ground_truths.videos)), np.iinfo(np.int64).max)
    for row, threshold in zip(first, thresholds, strict=True):
        enough = pairs.tious >= threshold
        np.minimum.at(row, pairs.ground_truths[enough], ranks[pairs.detections[enough]])
    return first
