"""mAP of resampled recordings: how far a difference between two models is chance."""

from __future__ import annotations

import numpy as np

from asl_mmaction.evaluation.functional.average_precision import Matches
from asl_mmaction.files.mistakes import ValueMistake

# Weights looked at in one go: bounds the memory.
_CHUNK = 1 << 22


def draw_recordings(num_recordings: int, num_resamples: int, seed: int = 0) -> np.ndarray:
    """How often each recording is in each resample: as many as there are, with replacement.

    The same draws for two models make the comparison a paired one.

    Returns:
        (R, V) int64, every row of sum V.

    Raises:
        ValueError: Fewer than 2 recordings, of which each resample would be the same, or fewer than
            1 resample.
    """
    if num_recordings < 2:
        raise ValueMistake(f'expected 2 recordings or more to resample but got {num_recordings}')
    if num_resamples < 1:
        raise ValueMistake(f'expected 1 resample or more but got {num_resamples}')
    draw = np.random.default_rng(seed).multinomial
    return draw(num_recordings, np.full(num_recordings, 1 / num_recordings), num_resamples)


def resampled_mean_ap(matches: Matches, counts: np.ndarray) -> np.ndarray:
    """mAP of each resample, as `average_precision` gives it for copies that are recordings.

    Detections are matched within a recording, so the matches are those of all recordings. Copies of
    a detection follow each other in the ranking. A class without ground truths in a resample does
    not count in its mean.

    Args:
        matches: Of all recordings, whose ``videos`` are numbers in [0, V).
        counts: (R, V) whole numbers >= 0, see :func:`draw_recordings`.

    Returns:
        (R, T)
    """
    truths, found = matches.ground_truths, matches.detections
    total = np.zeros((len(counts), len(matches.thresholds)))
    present = np.zeros(len(counts), dtype=np.int64)
    for label in np.unique(truths.labels):
        num_truths = counts[:, truths.videos[truths.labels == label]].sum(axis=1)  # (R,)
        present += num_truths > 0
        of_class = slice(*np.searchsorted(found.labels, [label, label + 1]))
        own = found.videos[of_class]
        right = matches.found[:, of_class] >= 0  # (T, D)
        step = max(1, _CHUNK // max(1, len(own)))
        for start in range(0, len(counts), step):
            part = slice(start, start + step)
            copies = counts[part, own]  # (r, D)
            ranks = copies.cumsum(axis=1)
            for row, correct in enumerate(right):
                sums = _sum_of_precisions(copies, ranks, np.flatnonzero(correct))
                total[part, row] += sums / np.maximum(num_truths[part], 1)
    return total / np.maximum(present, 1)[:, None]


def _sum_of_precisions(copies: np.ndarray, ranks: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Interpolated precision, summed over the copies of the R correct detections. (r,)

    Args:
        copies: (r, D) of each detection, by falling score.
        ranks: (r, D) how many detections count up to the last copy of each.
        right: (R,) the correct ones among D.
    """
    copies = copies[:, right]
    precision = copies.cumsum(axis=1) / np.maximum(ranks[:, right], 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return (copies * envelope).sum(axis=1)
