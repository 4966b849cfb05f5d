"""Runs of steps above thresholds, and how much they stand out. NumPy, no loop over runs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Runs(NamedTuple):
    """Stretches of samples, row by row and by time.

    Attributes:
        rows: (R,) the row that a run is in.
        starts: (R,) first sample.
        ends: (R,) the sample behind the last one.
    """

    rows: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def find_runs(above: np.ndarray) -> Runs:
    """All longest stretches of True.

    Args:
        above: (M, S) bool.
    """
    edges = np.diff(np.pad(above.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges == 1)
    return Runs(rows, starts, np.nonzero(edges == -1)[1])


def outer_inner_contrast(values: np.ndarray, runs: Runs, outer_ratio: float) -> np.ndarray:
    """Mean inside of each run, less the mean of what lies around it.

    Around it: ``ceil(outer_ratio * length)`` samples on either side, as far as there are so many;
    a mean of nothing is 0.

    Args:
        values: (M, S).
        runs: R runs in its rows.
        outer_ratio: Length of either side by that of the run, >= 0.

    Returns:
        (R,) float64.
    """
    rows, starts, ends = runs
    total = np.pad(np.cumsum(values, axis=1, dtype=np.float64), ((0, 0), (1, 0)))

    def sums(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return total[rows, last] - total[rows, first]

    lengths = ends - starts
    width = np.ceil(outer_ratio * lengths).astype(np.int64)
    low, high = np.maximum(starts - width, 0), np.minimum(ends + width, values.shape[1])
    outer_count = (starts - low) + (high - ends)
    outer = (sums(low, starts) + sums(ends, high)) / np.maximum(outer_count, 1)
    return sums(starts, ends) / lengths - outer


def scale_to_range(values: np.ndarray) -> np.ndarray:
    """Each row less its least value, by its range; values below 0 count as 0 for both.

    (M, S) -> (M, S); a row without a range keeps its distance to the least value.
    """
    low = np.maximum(values.min(axis=1, keepdims=True), 0)
    span = np.maximum(values.max(axis=1, keepdims=True), 0) - low
    return (values - low) / np.where(span > 0, span, 1)


def sample_between(values: np.ndarray, samples_per_step: int) -> np.ndarray:
    """Linear interpolation between steps; outside of the first and the last, that step.

    Sample ``j`` stands at step ``(j + 0.5) / samples_per_step - 0.5``.

    (M, T) -> (M, T * samples_per_step).
    """
    num_steps = values.shape[1]
    places = (np.arange(num_steps * samples_per_step) + 0.5) / samples_per_step - 0.5
    places = places.clip(0, num_steps - 1)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, num_steps - 1)
    share = places - before
    return values[:, before] * (1 - share) + values[:, after] * share
