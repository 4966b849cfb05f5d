"""Candidates for the detections of a video: as a head gives them, and as SoftNMS takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor


class DenseCandidates(NamedTuple):
    """What a head says of every point of a batch: each is a candidate of every class.

    Attributes:
        segments: (N, P, 2), or (N, P, K, 2) where each class has its own; grid.
        scores: (N, P, K) in [0, 1].
        masks: (N, P) bool, True = valid.
        quality: (N, P, 2) in [0, 1], what the instance evaluators predict: q_cls, the score of the
            right class, and q_loc, the tIoU of the segment. None where nobody has asked.
    """

    segments: Tensor
    scores: Tensor
    masks: Tensor
    quality: Tensor | None = None


class Candidates(NamedTuple):
    """The chosen candidates of a window, or of a whole sequence, each of one class.

    Attributes:
        segments: (n, 2) float64 grid.
        scores: (n,) float64.
        labels: (n,) int64.
        limit: How many there may be.
        left_out: How many more there were, of those that score above
            :data:`~asl_mmaction.structures.limits.REPORTED_SCORE`.
    """

    segments: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    limit: int
    left_out: int

    def moved(self, steps: float) -> Candidates:
        """Those of a window that starts at step ``steps``, on the grid of its sequence."""
        return self._replace(segments=self.segments + steps)


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Those of all windows of a sequence, one window after the other."""
    none = Candidates(np.empty((0, 2)), np.empty(0), np.empty(0, dtype=np.int64), 0, 0)
    segments, scores, labels, limits, left_out = zip(none, *parts, strict=True)
    return Candidates(
        np.concatenate(segments),
        np.concatenate(scores),
        np.concatenate(labels),
        sum(limits),
        sum(left_out),
    )
