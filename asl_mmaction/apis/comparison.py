"""Results of several models on the same recordings, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from asl_mmaction.apis.scored import (
    TIOU_THRESHOLDS,
    Protocol,
    Scored,
    read_protocol,
    read_scored,
    score,
)
from asl_mmaction.evaluation.functional import (
    draw_recordings,
    match_detections,
    resampled_mean_ap,
)
from asl_mmaction.files.mistakes import ValueMistake

#: Percentiles between which 95 percent of the resamples lie.
INTERVAL = (2.5, 97.5)


class Difference(NamedTuple):
    """Of an average to that of the first results, in [-1, 1].

    Attributes:
        value: Over all recordings.
        low: From the bootstrap; None where there is one recording, or no resample.
        high: The same.
    """

    value: float
    low: float | None = None
    high: float | None = None


class Row(NamedTuple):
    """One model's results; means over its seeds, in [0, 1].

    Attributes:
        seeds: How many files.
        metrics: By name: the averages, then mAP at each threshold.
        differences: To the first row, by name of the average; none in the first row.
        per_class: First average of each class, by name; None: no ground truths.
    """

    seeds: int
    metrics: dict[str, float]
    differences: dict[str, Difference]
    per_class: dict[str, float | None]


class Comparison(NamedTuple):
    """What :func:`compare_results` gives.

    Attributes:
        rows: By name, as they were given.
        averages: tIoU thresholds by name of their average.
        ground_truths: How many of each class, by name.
        recordings: How many count.
        without_results: Names of those in which nothing was looked for.
        simulated: Whether a file says that the features were made up.
    """

    rows: dict[str, Row]
    averages: dict[str, list[float]]
    ground_truths: dict[str, int]
    recordings: int
    without_results: list[str]
    simulated: bool


def compare_results(
    runs: Mapping[str, Sequence[Path]],
    annotations: Path,
    *,
    subsets: Sequence[str] | None = None,
    tiou_thresholds: Sequence[float] | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Score results by one protocol, and say how far the differences of mAP are chance.

    The intervals are those of a paired bootstrap over recordings: each resample takes as many
    recordings as there are, with replacement, the same ones of all models. That other recordings
    might give other numbers is in it; that other seeds might is not.

    Args:
        runs: Files of results by name, of each seed; the first is what others are compared with.
        annotations: Annotation file of :class:`~asl_mmaction.datasets.TALDataset`.
        subsets: Whose videos count; None = those that the videos of the results are of.
        tiou_thresholds: None = the averages of ``metrics.json`` beside the results, which must be
            the same for all that have it; 0.3, 0.4, ..., 0.7 where none has.
        num_resamples: Of the recordings; 0: no intervals.
        seed: Of the resampling.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: Files have other protocols, classes or videos than the first, or there are fewer
            than 0 resamples; or as :func:`~asl_mmaction.apis.scored.read_scored`.
    """
    if not runs:
        raise ValueMistake('expected results to compare but got none')
    if num_resamples < 0:
        raise ValueMistake(f'expected 0 resamples or more but got {num_resamples}')
    paths = [path for files in runs.values() for path in files]
    protocol = common_protocol(paths, tiou_thresholds)
    excluded = protocol.excluded_videos
    read = {
        path: read_scored(path, annotations, subsets=subsets, exclude=excluded) for path in paths
    }
    first = read[paths[0]]
    if not any(len(video['scored_labels']) for video in first.videos):
        raise ValueMistake(f'{annotations}: expected actions of the videos that count but got none')
    for path, scored in read.items():
        _check_classes(path, scored, protocol, annotations)
        _check_videos(path, scored, paths[0], first)
    seeds = {
        name: [_score(read[path], protocol, num_resamples, seed) for path in files]
        for name, files in runs.items()
    }
    base = next(iter(seeds.values()))
    return Comparison(
        {name: _row(own, base, protocol) for name, own in seeds.items()},
        protocol.averages,
        {name: row['ground_truths'] for name, row in base[0].report['per_class'].items()},
        len(first.videos),
        first.without_results,
        any(scored.simulated for scored in read.values()),
    )


def common_protocol(paths: Sequence[Path], tiou_thresholds: Sequence[float] | None) -> Protocol:
    """The protocol of all results that tell theirs.

    Raises:
        ValueError: They tell different ones.
    """
    told = {path: read_protocol(path.with_name('metrics.json')) for path in paths}
    known = {path: protocol for path, protocol in told.items() if protocol is not None}
    if tiou_thresholds is not None:
        averages = {'mAP': list(tiou_thresholds)}
        known = {path: protocol._replace(averages=averages) for path, protocol in known.items()}
    if not known:
        return Protocol({'mAP': list(tiou_thresholds or TIOU_THRESHOLDS)}, [])
    first, protocol = next(iter(known.items()))
    for path, other in known.items():
        where = f'{path.with_name("metrics.json")}: expected the protocol of {first.parent}'
        if other.averages != protocol.averages:
            raise ValueMistake(
                f'{where}, averages of {protocol.averages}, but got {other.averages}: name the '
                'tIoU thresholds for all'
            )
        if other.excluded_videos != protocol.excluded_videos:
            raise ValueMistake(
                f'{where}, without the videos {protocol.excluded_videos}, but got one without '
                f'{other.excluded_videos}'
            )
        if other.classes != protocol.classes:
            more = sorted(other.classes ^ protocol.classes)
            raise ValueMistake(
                f'{where}, of {len(protocol.classes)} classes, but got {len(other.classes)}; '
                f'{more[0]!r} is in one of them'
            )
    return protocol


class _Seed(NamedTuple):
    """Report of the metric, and the averages of the resamples, (R, A); R = 0: there are none."""

    report: dict[str, Any]
    resampled: np.ndarray


def _score(scored: Scored, protocol: Protocol, num_resamples: int, seed: int) -> _Seed:
    report = score(scored, tiou_thresholds=protocol.averages)
    if num_resamples == 0 or len(scored.videos) < 2:
        return _Seed(report, np.empty((0, len(protocol.averages))))
    counts = draw_recordings(len(scored.videos), num_resamples, seed)
    num_classes = len(scored.classes)
    resampled = [
        resampled_mean_ap(match_detections(*scored.instances(), num_classes, tious), counts)
        for tious in protocol.averages.values()
    ]
    return _Seed(report, np.stack([values.mean(axis=1) for values in resampled], axis=1))


def _check_classes(path: Path, scored: Scored, protocol: Protocol, annotations: Path) -> None:
    if protocol.classes and protocol.classes != set(scored.classes):
        more = sorted(protocol.classes ^ set(scored.classes))
        raise ValueMistake(
            f'{path}: expected results of the {len(scored.classes)} classes of {annotations} but '
            f'got some of {len(protocol.classes)}; {more[0]!r} is in one of them'
        )


def _check_videos(path: Path, scored: Scored, first: Path, base: Scored) -> None:
    own, expected = (
        {video['video_name'] for video in one.videos} - set(one.without_results)
        for one in (scored, base)
    )
    if own != expected:
        missing = sorted(expected - own)
        found = (
            f'none of {missing[0]!r}, the first of {len(missing)}'
            if missing
            else f'more, as of {min(own - expected)!r}: name the subset that counts'
        )
        raise ValueMistake(f'{path}: expected results of the videos of {first} but got {found}')


def _row(seeds: Sequence[_Seed], base: Sequence[_Seed], protocol: Protocol) -> Row:
    def mean(key: str, of: Sequence[_Seed] = seeds) -> float:
        return float(np.mean([seed.report['metrics'][key] for seed in of]))

    differences = {}
    if seeds is not base:
        resampled, before = (
            np.mean([seed.resampled for seed in of], axis=0) for of in (seeds, base)
        )
        for index, name in enumerate(protocol.averages):
            drawn = (resampled - before)[:, index]
            bounds = np.percentile(drawn, INTERVAL).tolist() if len(drawn) else []
            differences[name] = Difference(mean(name) - mean(name, base), *bounds)
    name = next(iter(protocol.averages))
    per_class = {
        label: row['ap']
        and float(np.mean([s.report['per_class'][label]['ap'][name] for s in seeds]))
        for label, row in seeds[0].report['per_class'].items()
    }
    return Row(
        len(seeds), {key: mean(key) for key in seeds[0].report['metrics']}, differences, per_class
    )
