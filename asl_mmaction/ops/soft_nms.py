"""Greedy SoftNMS with segment voting.

The rule. Among the candidates of a class, the one with the highest score is kept; the scores of the
others are then lowered by how much they overlap it, and so on. Of equal scores the earlier start
goes first, then the earlier end, then the lower position in the input. The ``max_per_video`` kept
candidates of highest (lowered) score, over all classes, are the result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake

METHODS = ('gaussian', 'linear', 'hard')
_TINY = np.finfo(np.float64).tiny


class Kept(NamedTuple):
    """What SoftNMS kept, by falling score.

    Attributes:
        segments: (M, 2) float64, voted if voting is on; unit of the input.
        scores: (M,) float64, lowered by the segments kept before.
        labels: (M,) int64, or None if the input had none.
        indices: (M,) int64, positions in the input.
    """

    segments: np.ndarray
    scores: np.ndarray
    labels: np.ndarray | None
    indices: np.ndarray


def soft_nms(
    segments: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    method: str = 'gaussian',
    sigma: float = 0.5,
    iou_threshold: float = 0.1,
    min_score: float = 0.001,
    max_per_video: int = 200,
    voting_threshold: float | None = None,
) -> Kept:
    """Thin out overlapping candidates of one video.

    Args:
        segments: (n, 2), any unit.
        scores: (n,), not negative.
        labels: (n,) integers: candidates compete within their class. None: all compete.
        method: Factor on the score of a candidate with tIoU ``t`` to the one just kept:
            'gaussian' ``exp(-t**2 / sigma)``; 'linear' ``1 - t`` above ``iou_threshold``;
            'hard' 0 (dropped) above ``iou_threshold``.
        sigma: Width of 'gaussian', > 0.
        iou_threshold: tIoU in [0, 1] above which 'linear' and 'hard' act.
        min_score: Candidates whose score is, or falls, below it are dropped, and in any case those
            below the smallest normal float64 (0, or next to it).
        max_per_video: At most so many are kept.
        voting_threshold: None, or a tIoU in (0, 1]: a kept segment becomes the mean, weighted with
            the input scores, of all candidates with at least this tIoU to it (of its class if
            there are labels).

    Raises:
        ValueError: For arguments out of range or shapes that do not fit.
    """
    check_nms_options(
        method=method,
        sigma=sigma,
        iou_threshold=iou_threshold,
        min_score=min_score,
        max_per_video=max_per_video,
        voting_threshold=voting_threshold,
    )
    segments, scores, labels = _as_arrays(segments, scores, labels)
    # Numba is imported with the loops: few processes that import the package come here.
    from asl_mmaction.ops import soft_nms_loop

    ranked = np.lexsort((segments[:, 1], segments[:, 0]))
    ranks, firsts = _by_class(None if labels is None else labels[ranked], len(ranked))
    order = ranked[ranks]
    starts, ends = segments[order].T.copy()
    picks, kept_scores = soft_nms_loop.pick_greedily(
        *(starts, ends, scores[order], ranks, firsts),
        METHODS.index(method),
        float(sigma),
        float(iou_threshold),
        float(max(min_score, _TINY)),
        min(max_per_video, len(ranked)),
    )
    indices = ranked[picks]
    kept_segments = segments[indices]
    if voting_threshold is not None:
        classes = np.searchsorted(firsts, np.argsort(ranks)[picks], 'right') - 1
        kept_segments = soft_nms_loop.vote(
            starts, ends, scores[order], firsts, classes, kept_segments, float(voting_threshold)
        )
    return Kept(kept_segments, kept_scores, None if labels is None else labels[indices], indices)


def check_nms_options(
    *,
    method: str,
    sigma: float,
    iou_threshold: float,
    min_score: float,
    max_per_video: int,
    voting_threshold: float | None,
) -> None:
    """Raise a ValueError that names the first option of ``soft_nms`` that is out of range."""
    if method not in METHODS:
        raise ValueMistake(f'expected method to be one of {METHODS} but got {method!r}')
    if not sigma > 0:
        raise ValueMistake(f'expected sigma > 0 but got {sigma}')
    if not 0 <= iou_threshold <= 1:
        raise ValueMistake(f'expected iou_threshold in [0, 1] but got {iou_threshold}')
    if not min_score >= 0:
        raise ValueMistake(f'expected min_score >= 0 but got {min_score}')
    if max_per_video < 1:
        raise ValueMistake(f'expected max_per_video >= 1 but got {max_per_video}')
    if voting_threshold is not None and not 0 < voting_threshold <= 1:
        raise ValueMistake(f'expected voting_threshold in (0, 1] but got {voting_threshold}')


def _as_arrays(
    segments: np.ndarray, scores: np.ndarray, labels: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    segments = np.asarray(segments, dtype=np.float64)
    scores = np.asarray(scores, dtype=np.float64)
    if segments.ndim != 2 or segments.shape[1] != 2:
        raise ValueMistake(f'expected segments of shape (n, 2) but got {segments.shape}')
    if scores.shape != segments.shape[:1]:
        raise ValueMistake(f'expected {len(segments)} scores but got shape {scores.shape}')
    if not (np.isfinite(segments).all() and np.isfinite(scores).all()):
        raise ValueMistake('expected finite segments and scores but got nan or inf among them')
    if labels is not None:
        labels = np.asarray(labels, dtype=np.int64)
        if labels.shape != scores.shape:
            raise ValueMistake(f'expected {len(segments)} labels but got shape {labels.shape}')
    return segments, scores, labels


def _by_class(labels: np.ndarray | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidates sorted by class, in each as they were, (n,), and where classes begin, (K + 1,)."""
    if labels is None:
        return np.arange(count), np.unique([0, count])
    ranks = np.argsort(labels, kind='stable')
    labels = labels[ranks]
    new = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    return ranks, np.unique([0, *new, count])
