"""Detections of two models joined to pairs of labels: EPIC's actions from verbs and nouns."""

from __future__ import annotations

import numpy as np

from asl_mmaction.evaluation.functional.instances import Instances, checked_instances
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.segments import segment_tiou


def join_detections(
    firsts: Instances,
    seconds: Instances,
    num_firsts: int,
    num_seconds: int,
    *,
    min_tiou: float = 0.5,
    max_per_video: int = 2000,
) -> Instances:
    """Every two detections of a video, one of each kind, that agree on where it is.

    The two score as the product of their scores and of the tIoU between them, and lie where they
    lie on average, weighted with their scores (evenly if both are 0).

    Args:
        firsts: Such as verbs, with scores >= 0.
        seconds: Such as nouns, the same.
        num_firsts: Classes of ``firsts``.
        num_seconds: K, classes of ``seconds``.
        min_tiou: tIoU of the two from which on they are joined, in (0, 1].
        max_per_video: At most so many of a video, the best ones; equal scores go by the position
            of the first, then of the second.

    Returns:
        By video, each by falling score; label = first * K + second.

    Raises:
        ValueError: As `average_precision` does, and for a number out of range.
    """
    if not 0 < min_tiou <= 1:
        raise ValueMistake(f'expected min_tiou in (0, 1] but got {min_tiou}')
    if max_per_video < 1:
        raise ValueMistake(f'expected max_per_video >= 1 but got {max_per_video}')
    firsts = checked_instances(firsts, num_firsts, 'first detections')
    seconds = checked_instances(seconds, num_seconds, 'second detections')
    if (firsts.scores < 0).any() or (seconds.scores < 0).any():
        raise ValueMistake('expected scores >= 0 but got negative ones')
    nothing = np.empty(0, dtype=np.int64)
    joined = [Instances(nothing, np.empty((0, 2)), nothing, np.empty(0))]
    for video in np.intersect1d(firsts.videos, seconds.videos):
        one, other = (_of_video(kind, video) for kind in (firsts, seconds))
        joined.append(_join_video(one, other, num_seconds, min_tiou, max_per_video))
    return Instances(*(np.concatenate(column) for column in zip(*joined, strict=True)))


def _of_video(instances: Instances, video: int) -> Instances:
    own = instances.videos == video
    return Instances(*(column[own] for column in instances))


def _join_video(
    firsts: Instances, seconds: Instances, num_seconds: int, min_tiou: float, limit: int
) -> Instances:
    tiou = segment_tiou(firsts.segments, seconds.segments)
    i, j = np.nonzero(tiou >= min_tiou)
    scores = firsts.scores[i] * seconds.scores[j] * tiou[i, j]
    best = np.argsort(-scores, kind='stable')[:limit]
    i, j, scores = i[best], j[best], scores[best]
    total = firsts.scores[i] + seconds.scores[j]
    share = np.where(total > 0, firsts.scores[i] / np.where(total > 0, total, 1), 0.5)[:, None]
    return Instances(
        firsts.videos[i],
        share * firsts.segments[i] + (1 - share) * seconds.segments[j],
        firsts.labels[i] * num_seconds + seconds.labels[j],
        scores,
    )
