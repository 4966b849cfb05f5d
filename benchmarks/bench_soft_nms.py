"""Speed of SoftNMS on one video, beside a plain loop over the classes.

    OMP_NUM_THREADS=1 python benchmarks/bench_soft_nms.py
    OMP_NUM_THREADS=1 python benchmarks/bench_soft_nms.py --actionformer DIR    beside its C++

Candidates are jittered copies of 100 actions in 2000 steps. Labels: "even" over the classes;
"skewed": half of them in one class, a quarter in the next and so on, as in a video that is about
one thing; "overlap": even, and so long (1000 steps on average) that nearly all overlap each other.
DIR is a checkout of happyharrycn/actionformer_release whose ``libs/utils`` has been compiled. Ours
votes beside the plain loop, which votes too, and does not beside C++, which does not.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch

from asl_mmaction.ops.soft_nms import soft_nms
from asl_mmaction.structures.segments import segment_tiou

SIGMA, MIN_SCORE, VOTING = 0.5, 0.001, 0.7
# candidates, classes (0 = class-agnostic), keep, labels
CASES = (
    (2000, 20, 200, 'even'),
    (2000, 20, 200, 'skewed'),
    (5000, 65, 200, 'even'),
    (5000, 65, 200, 'skewed'),
    (5000, 110, 2000, 'even'),
    (5000, 110, 2000, 'skewed'),
    (2000, 200, 100, 'even'),
    (2000, 0, 200, 'even'),
    (2000, 0, 200, 'overlap'),
    (5000, 5, 2000, 'overlap'),
    (5000, 0, 2000, 'overlap'),
)


def candidates(
    count: int, classes: int, kind: str, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Segments (n, 2), scores (n,), labels (n,) or None."""
    rng = np.random.default_rng(seed)
    actions = 100
    centers, durations = rng.uniform(0, 2000, actions), rng.lognormal(3.3, 0.7, actions)
    durations *= 1000 / durations.mean() if kind == 'overlap' else 1.0
    if kind == 'skewed':
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


def load_cpp(folder: Path) -> Callable:
    """The public SoftNMS: class by class in C++, then the best of all."""
    sys.path.insert(0, str(folder / 'libs' / 'utils'))
    import nms_1d_cpu

    def cpp(segments: np.ndarray, scores: np.ndarray, labels: np.ndarray | None, keep: int):
        segments, scores = torch.from_numpy(segments).float(), torch.from_numpy(scores).float()
        labels = torch.zeros(len(scores)) if labels is None else torch.from_numpy(labels)
        kept = []
        for label in labels.unique():
            own = torch.where(labels == label)[0]
            found = segments.new_empty(len(own), 3)
            count = len(
                nms_1d_cpu.softnms(
                    segments[own].contiguous(),
                    scores[own].contiguous(),
                    found,
                    iou_threshold=0.0,
                    sigma=SIGMA,
                    min_score=MIN_SCORE,
                    method=2,
                )
            )
            kept.append(found[: min(count, keep)])
        kept = torch.cat(kept)
        return kept[kept[:, 2].argsort(descending=True)[:keep]]

    return cpp


def median_ms(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median wall time of each in milliseconds; one after the other, again and again."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--actionformer', type=Path, metavar='DIR', help='beside the C++ in DIR')
    arguments = parser.parse_args()
    cpp = load_cpp(arguments.actionformer) if arguments.actionformer else None
    torch.set_num_threads(1)
    start = time.perf_counter()
    soft_nms(*candidates(10, 2, 'even'), voting_threshold=VOTING)
    print(
        f'SoftNMS (Gaussian), one video, Numba {numba.__version__}, medians of '
        f'{arguments.repeats}; first call {time.perf_counter() - start:.1f} s'
    )
    columns = ['C++ ms', 'ours ms', 'ratio'] if cpp else []
    columns += ['loop, voting ms', 'ours, voting ms', 'ratio']
    print('candidates  classes  keep   labels', *(name.rjust(15) for name in columns))
    for count, classes, keep, kind in CASES:
        video = candidates(count, classes, kind)
        functions = {
            'loop': lambda video=video, keep=keep: plain_loop(*video, keep),
            'voting': lambda video=video, keep=keep: (
                soft_nms(*video, max_per_video=keep, voting_threshold=VOTING).segments
            ),
        }
        if not np.allclose(functions['voting'](), functions['loop']()):
            raise RuntimeError('SoftNMS and the plain loop disagree')
        ms = median_ms(functions, 3)
        cells = [ms['loop'], ms['voting'], ms['loop'] / ms['voting']]
        if cpp:
            functions = {
                'cpp': lambda video=video, keep=keep: cpp(*video, keep),
                'ours': lambda video=video, keep=keep: soft_nms(*video, max_per_video=keep),
            }
            scores, expected = functions['ours']().scores, functions['cpp']()[:, 2].numpy()
            if not np.allclose(scores, expected, rtol=1e-3):
                raise RuntimeError('SoftNMS and the C++ disagree')
            ms = median_ms(functions, arguments.repeats)
            cells = [ms['cpp'], ms['ours'], ms['cpp'] / ms['ours'], *cells]
        print(
            f'{count:10}  {classes or "none":>7}  {keep:4}  {kind:>7}',
            *(f'{cell:15.2f}' for cell in cells),
        )


if __name__ == '__main__':
    main()
