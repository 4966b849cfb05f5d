"""Speed of SoftNMS with voting on one video, beside a plain loop over the classes.

    OMP_NUM_THREADS=1 python benchmarks/bench_soft_nms.py

Candidates are jittered copies of 100 actions in 2000 steps; "skewed": half of them in one class, a
quarter in the next and so on, as in a video that is about one thing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from asl_mmaction.ops.soft_nms import soft_nms
from asl_mmaction.structures.segments import segment_tiou

SIGMA, MIN_SCORE, VOTING = 0.5, 0.001, 0.7
# candidates, classes (0 = class-agnostic), keep
CASES = ((2000, 20, 200), (5000, 65, 200), (5000, 110, 2000), (2000, 0, 200))


def candidates(
    count: int, classes: int, skewed: bool, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Segments (n, 2), scores (n,), labels (n,) or None."""
    rng = np.random.default_rng(seed)
    actions = 100
    centers, durations = rng.uniform(0, 2000, actions), rng.lognormal(3.3, 0.7, actions)
    if skewed:
        action_labels = np.minimum(rng.geometric(0.5, actions) - 1, max(classes - 1, 0))
    else:
        action_labels = rng.integers(0, max(classes, 1), actions)
    of = rng.integers(0, actions, count)
    center = centers[of] + rng.normal(0, 0.25, count) * durations[of]
    half = 0.5 * durations[of] * rng.lognormal(0, 0.4, count)
    segments = np.stack([center - half, center + half], axis=1)
    scores = MIN_SCORE + (1 - MIN_SCORE) * rng.random(count) ** 3
    return segments, scores, action_labels[of] if classes else None


def plain_loop(
    segments: np.ndarray, scores: np.ndarray, labels: np.ndarray | None, keep: int
) -> np.ndarray:
    """Class by class to the end, every pick compared with all; then the best, voted. (M, 2)"""
    labels = np.zeros(len(scores), dtype=int) if labels is None else labels
    kept = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        current = scores[own].copy()
        while current.max() >= MIN_SCORE:
            pick = current.argmax()
            kept.append((current[pick], own[pick]))
            tiou = segment_tiou(segments[own[[pick]]], segments[own])[0]
            current *= np.exp(-(tiou**2) / SIGMA)
            current[pick] = 0
    kept = [index for _, index in sorted(kept, key=lambda entry: -entry[0])[:keep]]
    weights = segment_tiou(segments[kept], segments) >= VOTING
    weights = weights * (labels[kept][:, None] == labels) * scores
    return weights @ segments / weights.sum(axis=1, keepdims=True)


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Median wall time in milliseconds."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=25)
    repeats = parser.parse_args().repeats
    print(f'SoftNMS (Gaussian) + voting, one video, NumPy {np.__version__}, medians of {repeats}')
    print('candidates  classes  keep  labels    ours ms  plain loop ms  ratio')
    for count, classes, keep in CASES:
        for skewed in (False, True) if classes else (False,):
            video = candidates(count, classes, skewed)

            def ours(video=video, keep=keep):
                return soft_nms(*video, max_per_video=keep, voting_threshold=VOTING)

            def loop(video=video, keep=keep):
                return plain_loop(*video, keep)

            if not np.allclose(ours().segments, loop()):
                raise RuntimeError('SoftNMS and the plain loop disagree')
            our_ms, loop_ms = median_ms(ours, repeats), median_ms(loop, 3)
            kind = 'skewed' if skewed else 'even' if classes else 'none'
            print(
                f'{count:10}  {classes or "agnostic":>7}  {keep:4}  {kind:6}  {our_ms:9.2f}'
                f'  {loop_ms:13.1f}  {loop_ms / our_ms:5.1f}'
            )


if __name__ == '__main__':
    main()
