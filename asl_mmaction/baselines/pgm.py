"""Proposal generation of BSN: pairs of likely boundaries, and what the actionness looks like there.

The rules and numbers are those of mmaction2's ``generate_candidate_proposals`` and
``generate_bsp_feature``, which go by Python loops over files of one fixed length; here by arrays,
for sequences of any length.
"""

from __future__ import annotations

import numpy as np

from asl_mmaction.structures.limits import REPORTED_SCORE
from asl_mmaction.structures.windows import window_starts

#: Columns of a file of TEM: scores of one step, and the seconds that it stands for.
TEM_COLUMNS = ('action', 'start', 'end', 'tmin', 'tmax')
#: Columns of a file of PGM, before those of the feature.
PGM_COLUMNS = ('tmin', 'tmax', 'tmin_score', 'tmax_score')
#: Samples of the actionness inside of a proposal, and around its start and its end.
NUM_SAMPLES = (16, 8, 8)
#: Parts of a sample, for its mean.
NUM_PARTS = 3
#: Half of the width of the regions around the boundaries, in parts of the proposal.
BOUNDARY_RATIO = 0.2


def generate_proposals(
    tem: np.ndarray, *, window: int, overlap: float, peak_threshold: float, top_k: int
) -> tuple[np.ndarray, int]:
    """Candidates of one video, with their features, by falling product of their two scores.

    Args:
        tem: (T, 5) scores of TEM and seconds of every step; see :data:`TEM_COLUMNS`.
        window: Steps; starts and ends are paired within it, and it is what scores are compared in.
        overlap: Part of a window that neighbours share at least, in [0, 1).
        peak_threshold: Part of a window's highest score above which a step is a boundary.
        top_k: As many candidates of each window are kept; of equal ones the earlier.

    Returns:
        (P, 36): start and end in seconds, their scores, and the feature; see :data:`PGM_COLUMNS`.
        And how many that score above
        :data:`~asl_mmaction.structures.limits.REPORTED_SCORE` ``top_k`` left out, of all windows.
    """
    action, start, end, lows, highs = tem.T
    pairs, left_out = find_pairs(start, end, window, overlap, peak_threshold, top_k)
    scores = np.stack([start[pairs[:, 0]], end[pairs[:, 1]]], axis=1)
    ranked = np.argsort(-scores.prod(axis=1), kind='stable')
    middles = 0.5 * (lows + highs)
    features = sample_actionness(action, pairs[ranked])
    table = np.concatenate([middles[pairs[ranked]], scores[ranked], features], axis=1)
    return table, left_out


def find_pairs(
    start: np.ndarray,
    end: np.ndarray,
    window: int,
    overlap: float,
    peak_threshold: float,
    top_k: int,
) -> tuple[np.ndarray, int]:
    """Steps that may start and end an action, in the same window.

    Args:
        start: (T,).
        end: (T,).
        window: See :func:`generate_proposals`, as the others.
        overlap: As above.
        peak_threshold: As above.
        top_k: As above.

    Returns:
        (P, 2) distinct pairs, in order; how many were left out, as above.
    """
    found, left_out = [], 0
    for first in window_starts(len(start), window, overlap):
        part = slice(first, first + window)
        starts = boundary_steps(start[part], peak_threshold)
        ends = boundary_steps(end[part], peak_threshold)
        row, column = np.nonzero(starts[:, None] < ends)
        pairs = np.stack([starts[row], ends[column]], axis=1) + first
        scores = start[pairs[:, 0]] * end[pairs[:, 1]]
        ranked = np.argsort(-scores, kind='stable')
        left_out += int((scores[ranked[top_k:]] > REPORTED_SCORE).sum())
        found.append(pairs[ranked[:top_k]])
    return np.unique(np.concatenate(found), axis=0), left_out


def boundary_steps(scores: np.ndarray, peak_threshold: float) -> np.ndarray:
    """(T,) -> steps that are a peak, or above a part of the highest; always both ends."""
    chosen = np.ones(len(scores), dtype=bool)
    inner = scores[1:-1]
    peak = (inner > scores[2:]) & (inner > scores[:-2])
    chosen[1:-1] = peak | (inner > peak_threshold * scores.max())
    return np.flatnonzero(chosen)


def sample_actionness(action: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Boundary-sensitive features: the actionness in a proposal, around its start, around its end.

    Args:
        action: (T,), taken linearly between the steps, 0 outside of them.
        pairs: (P, 2) starts and ends in steps.

    Returns:
        (P, 32).
    """
    start, end = pairs.T.astype(np.float64)
    reach = BOUNDARY_RATIO * (end - start)
    regions = ((start, end), (start - reach, start + reach), (end - reach, end + reach))
    times = np.arange(-1.0, len(action) + 1)
    values = np.concatenate([[0.0], action, [0.0]])
    parts = []
    for (low, high), samples in zip(regions, NUM_SAMPLES, strict=True):
        length = (high - low) / (samples - 1)
        moments = np.arange(samples * NUM_PARTS + 1) / NUM_PARTS - 0.5
        at = np.interp(low[:, None] + length[:, None] * moments, times, values)
        of_sample = np.arange(samples)[:, None] * NUM_PARTS + np.arange(NUM_PARTS + 1)
        parts.append(at[:, of_sample].mean(axis=2))
    return np.concatenate(parts, axis=1)
