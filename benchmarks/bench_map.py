"""Speed of mAP on the MultiThumos test set at nine tIoUs, beside mmaction2's own loop.

    OMP_NUM_THREADS=1 python benchmarks/bench_map.py --annotations multithumos.json

The file has PointTAD's form. Without it, random ground truths of the same number take its place.
Detections are jittered ground truths, 30 % of them with a random class.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np

from asl_mmaction.evaluation.functional import Instances, average_precision

CLASSES, VIDEOS, GROUND_TRUTHS, DETECTIONS = 65, 213, 20_208, 42_600
TIOUS = np.linspace(0.1, 0.9, 9)


def ground_truths(path: Path | None, rng: np.random.Generator) -> Instances:
    """The test set, or random ones."""
    if path is None:
        starts = rng.uniform(0, 200, GROUND_TRUTHS)
        segments = np.stack([starts, starts + rng.exponential(4, GROUND_TRUTHS)], axis=1)
        return Instances(
            rng.integers(0, VIDEOS, GROUND_TRUTHS),
            segments,
            rng.integers(0, CLASSES, GROUND_TRUTHS),
        )
    entries = [e for e in json.loads(path.read_text()).values() if e['subset'] == 'testing']
    rows = [(video, *action) for video, entry in enumerate(entries) for action in entry['actions']]
    videos, labels, starts, ends = map(np.array, zip(*rows, strict=True))
    segments = np.sort(np.stack([starts, ends], axis=1).astype(float), axis=1)
    return Instances(videos, segments, labels - 1)


def detections(truths: Instances, rng: np.random.Generator) -> Instances:
    """Jittered ground truths with random scores."""
    of = rng.integers(0, len(truths.videos), DETECTIONS)
    segments = truths.segments[of]
    # Some annotations have no length; mmaction2 divides by zero where a detection has none either.
    durations = np.maximum(np.abs(segments[:, 1:] - segments[:, :1]), 0.1)
    segments = np.sort(segments + rng.normal(0, 0.3, segments.shape) * durations, axis=1)
    guessed = rng.integers(0, CLASSES, DETECTIONS)
    labels = np.where(rng.random(DETECTIONS) < 0.3, guessed, truths.labels[of])
    return Instances(truths.videos[of], segments, labels, rng.random(DETECTIONS))


def reference(truths: Instances, found: Instances) -> np.ndarray:
    """mAP by mmaction2's evaluation, class by class. (T,)"""
    from mmaction.evaluation.functional import average_precision_at_temporal_iou

    table = []
    for label in np.unique(truths.labels):
        own, mine = truths.labels == label, found.labels == label
        by_video = {
            video: truths.segments[own & (truths.videos == video)]
            for video in np.unique(truths.videos[own])
        }
        rows = np.column_stack(
            [found.videos[mine], found.labels[mine], found.segments[mine], found.scores[mine]]
        )
        table.append(average_precision_at_temporal_iou(by_video, rows, TIOUS))
    return np.mean(table, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--annotations', type=Path)
    parser.add_argument('--repeats', type=int, default=15)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    truths = ground_truths(arguments.annotations, rng)
    found = detections(truths, rng)
    times = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        result = average_precision(truths, found, CLASSES, TIOUS)
        times.append(time.perf_counter() - start)
    ours = statistics.median(times)
    start = time.perf_counter()
    expected = reference(truths, found)
    loop = time.perf_counter() - start
    if not np.allclose(result.mean_ap, expected, atol=1e-5):
        raise RuntimeError('our mAP and that of mmaction2 disagree')
    print(
        f'{len(truths.videos)} ground truths, {len(found.videos)} detections, {CLASSES} classes, '
        f'{len(TIOUS)} tIoUs; NumPy {np.__version__}; ours: median of {arguments.repeats}'
    )
    print('ours s  first s  mmaction2 s  ratio')
    print(f'{ours:6.3f}  {times[0]:7.3f}  {loop:11.1f}  {loop / ours:5.0f}')


if __name__ == '__main__':
    main()
