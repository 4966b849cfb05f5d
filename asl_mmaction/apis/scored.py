"""Files of results joined with the annotations that they are scored against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmaction.registry import METRICS

from asl_mmaction.evaluation.functional import Instances
from asl_mmaction.evaluation.metrics.base_metric import as_instances
from asl_mmaction.files.annotations import (
    find_classes,
    find_label,
    read_checked_annotations,
    segments_of,
)
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import check_file, in_context, read_object
from asl_mmaction.files.results import read_results
from asl_mmaction.files.writing import hint_at_same_name

#: Where nothing else is asked for: THUMOS14's.
TIOU_THRESHOLDS = [0.3, 0.4, 0.5, 0.6, 0.7]


class Protocol(NamedTuple):
    """By what results were scored.

    Attributes:
        averages: tIoU thresholds by name of their average; one or more.
        excluded_videos: Names of videos that do not count, sorted.
        classes: Names; empty where they are not told.
    """

    averages: dict[str, list[float]]
    excluded_videos: list[str]
    classes: frozenset[str] = frozenset()


class Scored(NamedTuple):
    """Ground truths and detections of the videos that count.

    Attributes:
        videos: One dict a video, sorted by name, as the metrics take them: ``video_name``,
            ``duration``, ``scored_segments`` (G, 2) seconds, ``scored_labels`` (G,),
            ``pred_instances`` of ``segments`` (M, 2) seconds, ``scores`` (M,), ``labels`` (M,).
        classes: Names, in the order of the labels.
        without_results: Names of the videos among them that the results do not have.
        simulated: Whether annotations or results say that the features were made up.
    """

    videos: list[dict[str, Any]]
    classes: tuple[str, ...]
    without_results: list[str]
    simulated: bool

    def instances(self) -> tuple[Instances, Instances]:
        """Ground truths and detections, with videos by their number in ``videos``."""
        return as_instances(
            [
                {
                    'scored_segments': video['scored_segments'],
                    'scored_labels': video['scored_labels'],
                    **video['pred_instances'],
                }
                for video in self.videos
            ]
        )


def read_scored(
    results: Path,
    annotations: Path,
    *,
    subsets: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
) -> Scored:
    """Read both files.

    All videos of the subsets count, also those without results; ground truths are as in the file.

    Args:
        results: ``detections.json`` or another file in ActivityNet's form.
        annotations: Annotation file of :class:`~asl_mmaction.datasets.TALDataset`.
        subsets: Whose videos count; None = those that the videos of the results are of.
        exclude: Names of videos that do not count.

    Raises:
        FileNotFoundError: One of the files is not there.
        ValueError: A file is of another form; a video or a class of the results is not in the
            annotations; no video is left.
    """
    check_file(results, 'detections, as tools/test.py --out DIR writes into DIR/detections.json,')
    content = read_results(results)
    found = content['results']
    schema = read_checked_annotations(annotations)
    database = schema['database']
    unknown = [name for name in [*found, *exclude] if name not in database]
    if unknown:
        raise ValueMistake(
            f'{results}: expected videos of {annotations} but got {unknown[0]!r}, '
            f'the first of {len(unknown)}{hint_at_same_name(unknown[0], database)}'
        )
    counting = {database[name].get('subset') for name in found} if subsets is None else set(subsets)
    names = sorted(
        name
        for name, video in database.items()
        if video.get('subset') in counting and name not in set(exclude)
    )
    if not names:
        raise ValueMistake(f'{annotations}: expected videos of {sorted(counting)} but got none')
    classes = find_classes(str(annotations), schema)
    labels = {name: index for index, name in enumerate(classes)}
    videos = []
    for name in names:
        truths, items = database[name]['annotations'], found.get(name, [])
        videos.append(
            {
                'video_name': name,
                'duration': float(database[name]['duration']),
                'scored_segments': segments_of(truths),
                'scored_labels': _labels(f'{annotations}: video {name!r}', truths, labels),
                'pred_instances': {
                    'segments': segments_of(items),
                    'scores': np.array([item['score'] for item in items], dtype=float),
                    'labels': _labels(f'{results}: video {name!r}', items, labels),
                },
            }
        )
    simulated = any(holder.get('simulated', False) for holder in (content, schema))
    return Scored(videos, classes, [name for name in names if name not in found], simulated)


def _labels(where: str, items: list[dict], labels: dict[str, int]) -> np.ndarray:
    return np.array([find_label(where, item['label'], labels) for item in items], dtype=np.int64)


def evaluate(
    results: str | Path,
    annotations: str | Path,
    *,
    subsets: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    **options: Any,
) -> dict[str, Any]:
    """All metrics of a file of results, without a Runner.

    Example:
        ``evaluate('found/detections.json', 'data/annotations.json')['metrics']['mAP']``

    Args:
        results: ``detections.json`` or another file in ActivityNet's form.
        annotations: Annotation file of :class:`~asl_mmaction.datasets.TALDataset`.
        subsets: Whose videos count; None = those that the videos of the results are of.
        exclude: Names of videos that do not count.
        **options: Of :class:`~asl_mmaction.evaluation.metrics.TALMetric`; ``tiou_thresholds`` are
            0.3, 0.4, ..., 0.7 if not given.

    Returns:
        ``metrics``, ``per_class``, ``protocol`` and perhaps ``per_length``, as in
        ``metrics.json``. Values are in [0, 1].

    Raises:
        FileNotFoundError: One of the files is not there.
        ValueError: As `read_scored`; an option is out of range.
    """
    scored = read_scored(Path(results), Path(annotations), subsets=subsets, exclude=exclude)
    return score(scored, **{'tiou_thresholds': TIOU_THRESHOLDS, **options})


def score(scored: Scored, **options: Any) -> dict[str, Any]:
    """All metrics of what :func:`read_scored` reads; see :func:`evaluate`."""
    metric = METRICS.build(dict(type='TALMetric', **options))
    metric.dataset_meta = {'classes': list(scored.classes), 'simulated': scored.simulated}
    metric.process(None, scored.videos)
    return metric.report(metric.first_results(metric.results, len(scored.classes)))


def read_protocol(path: Path) -> Protocol | None:
    """By what a test scored its results; None where it did not say.

    Args:
        path: Of ``metrics.json``.

    Raises:
        ValueError: It is of another form.
    """
    if not path.is_file():
        return None
    with in_context(str(path), 'a protocol with averages'):
        content = read_object(path)
        protocol = content['protocol']
        averages = {name: list(map(float, tious)) for name, tious in protocol['averages'].items()}
        if not averages:
            raise ValueMistake('expected averages of a protocol but got none')
        classes = frozenset(content.get('per_class') or ())
        return Protocol(averages, sorted(protocol['excluded_videos']), classes)
