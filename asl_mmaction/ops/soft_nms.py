"""Greedy SoftNMS with segment voting, in NumPy alone: no compiler, nothing to build.

The rule. Among the candidates of a class, the one with the highest score is kept; the scores of the
others are then lowered by how much they overlap it, and so on. Of equal scores the earlier start
goes first, then the earlier end, then the lower position in the input. The ``max_per_video`` kept
candidates of highest (lowered) score, over all classes, are the result.

Why it is fast and still exact. A factor is never above one, so the scores a class keeps never
rise, and what it keeps later never enters the result once its score is below that of
``max_per_video`` picks, of whatever class (the *floor*): a class stops there. Classes share one
queue, worked off from its *front*, the highest candidates: the factors of all pairs of them that
can overlap are computed at once, so that a pick is one search for the highest score and one short
product. When the front has fallen to the height of the others, these take the factors of all its
picks, at once, and there is a new front. Many classes of similar size run side by side instead, one
pick of each a round.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from asl_mmaction.structures.segments import tiou_of_ends

METHODS = ('gaussian', 'linear', 'hard')
_TINY = np.finfo(np.float64).tiny
# A front has at most so many candidates, and about so many pairs of them that can overlap.
_FRONT = 512
_PAIRS = 8192
# In classes of up to so many candidates, all count as overlapping.
_SMALL_CLASS = 64
# Classes run side by side if there are so many whose sizes differ by at most this factor (padding
# costs at most as much).
_SIDE_BY_SIDE = 24
_GROUP_RATIO = 3


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
        method: factor on the score of a candidate with tIoU ``t`` to the one just kept:
            'gaussian' ``exp(-t**2 / sigma)``; 'linear' ``1 - t`` above ``iou_threshold``;
            'hard' 0 (dropped) above ``iou_threshold``.
        sigma: width of 'gaussian', > 0.
        iou_threshold: tIoU in [0, 1] above which 'linear' and 'hard' act.
        min_score: candidates whose score is, or falls, below it are dropped, and in any case those
            below the smallest normal float64 (0, or next to it).
        max_per_video: at most so many are kept.
        voting_threshold: None, or a tIoU in (0, 1]: a kept segment becomes the mean, weighted with
            the input scores, of all candidates with at least this tIoU to it (of its class if
            there are labels).

    Raises:
        ValueError: for arguments out of range or shapes that do not fit.
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
    ranked = _Ranked(segments, scores, labels)
    decay = _Decay(method, sigma, iou_threshold)
    kept = _Collector(max(min_score, _TINY), max_per_video)
    groups = _groups(ranked)
    queued = [row for group in groups if len(group) < _SIDE_BY_SIDE for row in group]
    if queued:
        _run_queue(ranked, queued, decay, kept)
    for group in groups:
        if len(group) >= _SIDE_BY_SIDE:
            _run_side_by_side(ranked, group, decay, kept)
    picks, kept_scores = kept.result(ranked)
    indices = ranked.order[picks]
    kept_segments = segments[indices]
    if voting_threshold is not None and len(picks):
        kept_segments = _vote(ranked, picks, voting_threshold)
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
        raise ValueError(f'expected method to be one of {METHODS} but got {method!r}')
    if not sigma > 0:
        raise ValueError(f'expected sigma > 0 but got {sigma}')
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f'expected iou_threshold in [0, 1] but got {iou_threshold}')
    if not min_score >= 0:
        raise ValueError(f'expected min_score >= 0 but got {min_score}')
    if max_per_video < 1:
        raise ValueError(f'expected max_per_video >= 1 but got {max_per_video}')
    if voting_threshold is not None and not 0 < voting_threshold <= 1:
        raise ValueError(f'expected voting_threshold in (0, 1] but got {voting_threshold}')


def _as_arrays(
    segments: np.ndarray, scores: np.ndarray, labels: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    segments = np.asarray(segments, dtype=np.float64)
    scores = np.asarray(scores, dtype=np.float64)
    if segments.ndim != 2 or segments.shape[1] != 2:
        raise ValueError(f'expected segments of shape (n, 2) but got {segments.shape}')
    if scores.shape != segments.shape[:1]:
        raise ValueError(f'expected {len(segments)} scores but got shape {scores.shape}')
    if not (np.isfinite(segments).all() and np.isfinite(scores).all()):
        raise ValueError('expected finite segments and scores but got nan or inf among them')
    if labels is not None:
        labels = np.asarray(labels, dtype=np.int64)
        if labels.shape != scores.shape:
            raise ValueError(f'expected {len(segments)} labels but got shape {labels.shape}')
    return segments, scores, labels


class _Ranked:
    """The candidates sorted by class, start, end and input position, one slice per class.

    ``starts``, ``ends`` and ``scores`` end with one extra candidate without length or score, the
    padding of ``_run_side_by_side``.
    """

    def __init__(self, segments: np.ndarray, scores: np.ndarray, labels: np.ndarray | None) -> None:
        keys = (segments[:, 1], segments[:, 0])
        self.order = np.lexsort(keys if labels is None else (*keys, labels))
        self.starts, self.ends = np.append(segments[self.order], [[0.0, 0.0]], axis=0).T.copy()
        self.scores = np.append(scores[self.order], 0.0)
        count = len(self.order)
        if labels is None:
            firsts = np.zeros(min(count, 1), dtype=np.int64)
        else:
            firsts = np.flatnonzero(np.diff(labels[self.order], prepend=np.nan) != 0)
        self.firsts = firsts  # (classes,)
        self.lasts = np.append(firsts[1:], count)[: len(firsts)]  # (classes,), exclusive


class _Decay:
    """Factor on the scores of segments from their overlap with kept ones."""

    def __init__(self, method: str, sigma: float, iou_threshold: float) -> None:
        self.method = method
        self.rate = -1.0 / sigma
        self.iou_threshold = iou_threshold

    def __call__(
        self,
        starts: np.ndarray,
        ends: np.ndarray,
        kept_starts: np.ndarray | float,
        kept_ends: np.ndarray | float,
    ) -> np.ndarray:
        tiou = tiou_of_ends(starts, ends, kept_starts, kept_ends)
        if self.method == 'gaussian':
            tiou *= tiou
            tiou *= self.rate
            return np.exp(tiou, out=tiou)
        if self.method == 'linear':
            return np.where(tiou > self.iou_threshold, 1.0 - tiou, 1.0)
        return (tiou <= self.iou_threshold).astype(tiou.dtype)


class _Pairs:
    """Pairs of candidates that can overlap, of the classes ``rows``."""

    def __init__(self, ranked: _Ranked, rows: list[slice], decay: _Decay) -> None:
        self.ranked = ranked
        self.decay = decay
        starts, ends = ranked.starts, ranked.ends
        first, last = np.zeros((2, len(starts)), dtype=np.int64)
        for row in rows:
            first[row], last[row] = row.start, row.stop
            if row.stop - row.start > _SMALL_CLASS:
                # Those before end too early, those after start too late.
                first[row] += np.searchsorted(
                    np.maximum.accumulate(ends[row]), starts[row], 'right'
                )
                last[row] = row.start + np.searchsorted(starts[row], ends[row], 'left')
        self.first = first
        self.last = np.maximum(first, last)

    def __call__(
        self, of: np.ndarray, among: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The pairs of each of ``of`` with those of ``among`` that it can overlap.

        Args:
            of: (m,) positions in ``ranked``, m > 0.
            among: (n,) such positions, rising.

        Returns:
            For each of ``of`` the first index into ``among``, (m,), and the number of pairs, (m,);
            for each pair the index into ``among`` and the factor on its score.
        """
        begins = np.searchsorted(among, self.first[of])
        counts = np.searchsorted(among, self.last[of]) - begins
        indices = _joined_ranges(begins, counts)
        others = among[indices]
        starts, ends = self.ranked.starts, self.ranked.ends
        own = np.repeat(starts[of], counts), np.repeat(ends[of], counts)
        return begins, counts, indices, self.decay(starts[others], ends[others], *own)


class _Collector:
    """Picks so far, and the floor: the score below which no further pick can enter the result."""

    def __init__(self, floor: float, limit: int) -> None:
        self.floor = floor
        self.limit = limit
        self.picks: list[np.ndarray] = []
        self.scores: list[np.ndarray] = []
        self.best = np.empty(0)  # at least the ``limit`` highest scores

    def add(self, picks: np.ndarray, scores: np.ndarray) -> None:
        self.picks.append(picks)
        self.scores.append(scores)
        self.best = np.concatenate([self.best, scores])
        if len(self.best) >= self.limit:
            self.best = np.partition(self.best, -self.limit)[-self.limit :]
            self.floor = max(self.floor, self.best[0])

    def result(self, ranked: _Ranked) -> tuple[np.ndarray, np.ndarray]:
        """The kept candidates (positions in ``ranked``) and their scores, by falling score."""
        if not self.picks:
            return np.empty(0, dtype=np.int64), np.empty(0)
        picks, scores = np.concatenate(self.picks), np.concatenate(self.scores)
        ties = (ranked.order[picks], ranked.ends[picks], ranked.starts[picks])
        top = np.lexsort((*ties, -scores))[: self.limit]
        return picks[top], scores[top]


def _groups(ranked: _Ranked) -> list[list[slice]]:
    """The slices of the classes, longest first, joined while their lengths are similar."""
    sizes = ranked.lasts - ranked.firsts
    groups: list[list[slice]] = []
    longest = 0
    for row in np.argsort(-sizes, kind='stable'):
        if not groups or sizes[row] * _GROUP_RATIO < longest:
            groups.append([])
            longest = sizes[row]
        groups[-1].append(slice(ranked.firsts[row], ranked.lasts[row]))
    return groups


def _run_queue(ranked: _Ranked, rows: list[slice], decay: _Decay, kept: _Collector) -> None:
    """Greedy SoftNMS of several classes, one pick at a time, of whichever class."""
    pairs = _Pairs(ranked, rows, decay)
    left = np.sort(np.concatenate([np.arange(row.start, row.stop) for row in rows]))
    scores = ranked.scores[left]
    # The part of the candidates that one of them can overlap.
    share = max((pairs.last - pairs.first)[left].mean(), 1.0) / len(left)
    size = min(int((_PAIRS / share) ** 0.5) + 1, _FRONT)
    room = kept.limit
    while True:
        alive = scores >= kept.floor
        left, scores = left[alive], scores[alive]
        if not len(left):
            return
        bound, chosen = _front(scores, size, kept.floor)
        front, front_scores = left[chosen], scores[chosen]
        begins, counts, _, factors = pairs(front, front)
        picks, values = _pick(front_scores, begins, counts, factors, bound, room)
        kept.add(front[picks], np.array(values))
        room -= len(picks)
        scores[chosen] = front_scores
        outside = np.flatnonzero(~chosen & (scores >= kept.floor))
        _, _, others, factors = pairs(front[picks], left[outside])
        np.multiply.at(scores, outside[others], factors)


def _front(scores: np.ndarray, size: int, floor: float) -> tuple[float, np.ndarray]:
    """The ``size`` highest, of equal ones the first.

    Returns:
        The score that no other exceeds, and which they are, (n,) bool.
    """
    if len(scores) <= size:
        return floor, np.ones(len(scores), dtype=bool)
    bound = np.partition(scores, -size)[-size]
    chosen = scores > bound
    equal = np.flatnonzero(scores == bound)
    chosen[equal[: size - np.count_nonzero(chosen)]] = True
    return bound, chosen


def _pick(
    scores: np.ndarray,
    begins: np.ndarray,
    counts: np.ndarray,
    factors: np.ndarray,
    bound: float,
    room: int,
) -> tuple[list[int], list[float]]:
    """Greedy SoftNMS within a front, while its scores, which it lowers, are certain to be highest.

    Args:
        scores: (n,).
        begins, counts, factors: what `_Pairs` gives for the front with itself.
        bound: score that no candidate outside exceeds; those outside that have it come after those
            inside that have had it from the beginning.
        room: after so many picks, only those as high as the last of them.

    Returns:
        Indices of the picks in ``scores``, and their scores.
    """
    initial = scores.tolist()
    stops = counts.cumsum()
    low, high = (stops - counts).tolist(), stops.tolist()
    begins, ends = begins.tolist(), (begins + counts).tolist()
    picks, values = [], []
    while True:
        pick = int(scores.argmax())
        value = scores[pick]
        if value <= bound and (value < bound or value < initial[pick]):
            return picks, values
        picks.append(pick)
        values.append(value)
        if len(picks) == room:
            bound = value
        near = scores[begins[pick] : ends[pick]]
        np.multiply(near, factors[low[pick] : high[pick]], out=near)
        scores[pick] = 0.0


def _run_side_by_side(ranked: _Ranked, rows: list[slice], decay: _Decay, kept: _Collector) -> None:
    """Greedy SoftNMS of several classes side by side, one pick of each a round."""
    firsts = np.array([row.start for row in rows])[:, None]
    sizes = np.array([row.stop - row.start for row in rows])[:, None]
    column = np.arange(sizes.max())
    grid = np.where(column < sizes, firsts + column, len(ranked.order))  # (rows, columns)
    starts, ends, scores = ranked.starts[grid], ranked.ends[grid], ranked.scores[grid]
    while True:
        column = scores.argmax(axis=1)
        value = scores.max(axis=1)
        alive = value >= kept.floor
        if not alive.all():
            grid, starts, ends, scores = grid[alive], starts[alive], ends[alive], scores[alive]
            column, value = column[alive], value[alive]
        if not len(value):
            return
        row = np.arange(len(value))
        picks = grid[row, column]
        kept.add(picks, value)
        scores *= decay(starts, ends, ranked.starts[picks, None], ranked.ends[picks, None])
        scores[row, column] = 0.0


def _vote(ranked: _Ranked, picks: np.ndarray, voting_threshold: float) -> np.ndarray:
    """Kept segments moved to the score-weighted mean of those that agree with them. (M, 2)"""
    first, count = _near(ranked, picks, voting_threshold)
    voters = _joined_ranges(first, count)
    voted = np.repeat(np.arange(len(picks)), count)
    starts, ends = ranked.starts[voters], ranked.ends[voters]
    kept_starts, kept_ends = ranked.starts[picks], ranked.ends[picks]
    own_starts, own_ends = np.repeat(kept_starts, count), np.repeat(kept_ends, count)
    weight = ranked.scores[voters]
    weight *= tiou_of_ends(starts, ends, own_starts, own_ends) >= voting_threshold
    total = np.bincount(voted, weight, len(picks))
    total[total == 0] = 1.0  # a kept segment without length agrees with none, not even with itself
    # As shifts, so that a segment on its own stays as it is, to the bit.
    shift_start = np.bincount(voted, weight * (starts - own_starts), len(picks))
    shift_end = np.bincount(voted, weight * (ends - own_ends), len(picks))
    return np.stack([kept_starts + shift_start / total, kept_ends + shift_end / total], axis=1)


def _near(ranked: _Ranked, picks: np.ndarray, tiou: float) -> tuple[np.ndarray, np.ndarray]:
    """The candidates of a pick's class that can have the given tIoU with it, or more.

    A candidate with tIoU >= t to (s, e) of length d starts within [e - d / t, e - d * t].

    Returns:
        The first, (M,), and how many from there on, (M,); positions in ``ranked``.
    """
    starts = ranked.starts[:-1]
    low, span = starts.min(), np.ptp(starts)
    row = np.searchsorted(ranked.firsts, picks, 'right') - 1
    sizes = ranked.lasts - ranked.firsts
    # One sorted key for all classes: class times span, plus start. The margin outweighs rounding.
    margin = 1e-9 * (1.0 + abs(low) + span) * (len(sizes) + 1)
    span += 4 * margin
    keys = np.repeat(np.arange(len(sizes)) * span, sizes) + (starts - low)
    ends = ranked.ends[picks]
    length = np.maximum(ends - ranked.starts[picks], 0.0)
    earliest = np.clip(ends - length / tiou - low, -margin, span) + row * span - margin
    latest = np.clip(ends - length * tiou - low, -margin, span) + row * span + margin
    begins = np.maximum(np.searchsorted(keys, earliest, 'left'), ranked.firsts[row])
    stops = np.minimum(np.searchsorted(keys, latest, 'right'), ranked.lasts[row])
    return begins, np.maximum(stops - begins, 0)


def _joined_ranges(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """``first[0], first[0] + 1, ...``, ``count[0]`` of them, then those of ``first[1]``, ..."""
    stop = count.cumsum()
    return np.arange(stop[-1]) + np.repeat(first + count - stop, count)
