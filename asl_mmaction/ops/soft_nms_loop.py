"""The loops of SoftNMS and of segment voting, compiled by Numba when they are first called.

The machine code is kept on disk for the next process, as Numba does it: beside this file, or in
the user's cache. Where neither can be written to or read, every process compiles anew.
"""

import math
from collections.abc import Callable
from functools import partial, wraps
from pickle import PickleError
from typing import Any

import numba
import numpy as np

_TINY = np.finfo(np.float64).tiny


def _compiled(function: Callable) -> Callable:
    options: dict[str, Any] = {'error_model': 'numpy', 'no_cfunc_wrapper': True}
    alone = numba.njit(**options)(function)
    try:
        kept = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder to keep it in
        return alone

    @wraps(function)
    def run(*args):
        try:
            return kept(*args)
        except (EOFError, OSError, PickleError):  # what is kept is damaged, or the disk is full
            return alone(*args)

    return run


# Entries for Python, which functions inside compiled ones do without, take long to compile.
_inner = partial(numba.njit, no_cpython_wrapper=True, no_cfunc_wrapper=True)


@_inner(error_model='numpy')
def _tiou(start: float, end: float, other_start: float, other_end: float) -> float:
    inter = min(end, other_end) - max(start, other_start)
    hull = max(end, other_end) - min(start, other_start)
    return max(inter, 0.0) / max(hull, _TINY)


@_inner(error_model='numpy')
def _factor(tiou: float, method: int, sigma: float, threshold: float) -> float:
    if method == 0:
        return math.exp(-tiou * tiou / sigma)
    return 1.0 if tiou <= threshold else 1.0 - tiou if method == 1 else 0.0


@_inner(error_model='numpy')
def _lower_bounds(bounds, starts, ends, start, end, sigma):
    """Multiply upper bounds by one of the Gaussian factor, in vector instructions."""
    for i in range(len(bounds)):
        tiou = _tiou(starts[i], ends[i], start, end)
        # exp(x) >= (1 + y + y**2 / 2 + y**3 / 6)**16 with y = x / 16
        y = tiou * tiou / (16.0 * sigma)
        factor = 1.0 / (1.0 + y * (1.0 + y * (0.5 + y * (1.0 / 6.0))))
        factor *= factor
        factor *= factor
        factor *= factor
        factor *= factor
        # More than all rounding; where nothing overlaps nothing is rounded.
        bounds[i] *= factor * (1.0 + 1e-12) if tiou > 0.0 else 1.0


@_inner(fastmath={'nnan', 'nsz'})
def _highest(bounds: np.ndarray) -> int:
    """The first of the highest."""
    top = 0.0
    for i in range(len(bounds)):
        top = max(top, bounds[i])
    for i in range(len(bounds)):
        if bounds[i] == top:
            return i
    return 0


@_compiled
def pick_greedily(starts, ends, scores, ranks, firsts, method, sigma, threshold, floor, limit):
    """The picks, by falling score, and their scores.

    1. A candidate has its score, as last computed, and an upper bound of what it is by now. A pick
       lowers the bounds of its class, which is cheap; scores are left as they are.
    2. The candidate with the highest bound of all classes is next. If there were picks of its class
       since its score was computed, the score is computed now and becomes its bound; if there were
       none, its bound is its score, nothing can be higher, and it is picked.
    3. All classes compete, so the loop ends with the last pick that is kept.

    Of equal bounds the lowest rank goes first, whatever the class: ``ranks`` is the one order of
    all candidates.

    Args:
        starts: (n,), of the candidates by class, those of a class by rank.
        ends: (n,), likewise.
        scores: (n,), likewise; is overwritten.
        ranks: (n,) int64, likewise: of equal scores the lowest rank goes first.
        firsts: (K + 1,) int64: class k has the candidates ``firsts[k]`` to ``firsts[k + 1]``.
        method: 0 'gaussian', 1 'linear', 2 'hard'.
        sigma: Of 'gaussian'.
        threshold: tIoU of 'linear' and 'hard'.
        floor: Scores below it do not count, > 0.
        limit: Of picks.
    """
    classes = len(firsts) - 1
    best, made = np.empty(classes, np.int64), np.zeros(classes, np.int64)
    bounds, seen = scores.copy(), np.zeros(len(scores), np.int64)
    for k in range(classes):
        best[k] = firsts[k] + _highest(bounds[firsts[k] : firsts[k + 1]])
    own_picks = np.empty_like(ranks)  # those of class k from firsts[k] on
    picks, picked, count = np.empty(limit, np.int64), np.empty(limit), 0
    while count < limit:
        k = 0
        for other in range(1, classes):
            ahead = bounds[best[other]] - bounds[best[k]]
            if ahead > 0.0 or (ahead == 0.0 and ranks[best[other]] < ranks[best[k]]):
                k = other
        row, first, last = best[k], firsts[k], firsts[k + 1]
        start, end = starts[row], ends[row]
        if bounds[row] < floor:
            break
        if seen[row] < made[k]:
            for pick in own_picks[first + seen[row] : first + made[k]]:
                tiou = _tiou(starts[pick], ends[pick], start, end)
                if tiou > 0.0:
                    scores[row] *= _factor(tiou, method, sigma, threshold)
            seen[row], bounds[row] = made[k], scores[row]
        else:
            picks[count], picked[count], own_picks[first + made[k]] = ranks[row], scores[row], row
            count, made[k] = count + 1, made[k] + 1
            if method == 0:
                _lower_bounds(
                    bounds[first:last], starts[first:last], ends[first:last], start, end, sigma
                )
            bounds[row] = 0.0
        best[k] = first + _highest(bounds[first:last])
    return picks[:count], picked[:count]


@_compiled
def vote(starts, ends, scores, firsts, classes, picks, threshold):
    """Start and end of each pick, moved to the mean by score of those of its class that agree.

    Args:
        starts: (n,), of the candidates by class, those of a class by start.
        ends: (n,), likewise.
        scores: (n,), likewise.
        firsts: (K + 1,) int64, as above.
        classes: (M,) int64, of the picks.
        picks: (M, 2) segments.
        threshold: Least tIoU of those that agree.
    """
    voted = picks.copy()
    for m in range(len(picks)):
        start, end = picks[m]
        total = start_shift = end_shift = 0.0
        for i in range(firsts[classes[m]], firsts[classes[m] + 1]):
            if starts[i] >= end:
                break
            if _tiou(starts[i], ends[i], start, end) >= threshold:
                total += scores[i]
                # As shifts, so that a segment on its own stays as it is, to the bit.
                start_shift += scores[i] * (starts[i] - start)
                end_shift += scores[i] * (ends[i] - end)
        if total > 0.0:  # a pick without length agrees with none, not even with itself
            voted[m, 0] += start_shift / total
            voted[m, 1] += end_shift / total
    return voted
