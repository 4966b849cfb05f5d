"""Lengths of actions, from short to long, and AP of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asl_mmaction.evaluation.functional import (
    AveragePrecision,
    Instances,
    grouped_average_precision,
)
from asl_mmaction.files.mistakes import ValueMistake

LENGTHS = ('XS', 'S', 'M', 'L', 'XL')


class LengthPrecision(NamedTuple):
    """AP of one length.

    Attributes:
        name: One of :data:`LENGTHS`.
        above: What its actions are longer than, in seconds or in shares of their video.
        up_to: Its upper end, included; None: there is none.
        precision: Of its ground truths.
    """

    name: str
    above: float
    up_to: float | None
    precision: AveragePrecision


def checked_edges(length_edges: Sequence[float]) -> list[float]:
    """The upper ends of all lengths but the last.

    Raises:
        ValueError: They are not four rising numbers above 0.
    """
    edges = [float(edge) for edge in length_edges]
    if len(edges) != len(LENGTHS) - 1 or not all(np.diff([0.0, *edges]) > 0):
        raise ValueMistake(f'expected four rising length_edges above 0 but got {edges}')
    return edges


def precision_by_length(
    videos: list[dict],
    ground_truths: Instances,
    detections: Instances,
    num_classes: int,
    tious: Sequence[float],
    edges: list[float],
    *,
    relative: bool,
) -> list[LengthPrecision]:
    """AP of the ground truths of each length.

    Args:
        videos: In the order in which the instances count them; with ``duration`` if ``relative``.
        ground_truths: Of the videos.
        detections: Of the videos.
        num_classes: K.
        tious: Thresholds.
        edges: Of :func:`checked_edges`.
        relative: Whether these are shares of the video's duration, not seconds.

    Raises:
        ValueError: A video has no duration.
    """
    scales = np.array([_duration(video) if relative else 1.0 for video in videos], dtype=float)

    def group(instances: Instances) -> np.ndarray:
        lengths = np.diff(instances.segments)[:, 0] / scales[instances.videos]
        # Up to and including the edge; those without length are the shortest.
        return np.searchsorted(edges, lengths, 'left')

    by_length = grouped_average_precision(
        ground_truths,
        detections,
        num_classes,
        tious,
        group(ground_truths),
        group(detections),
        len(LENGTHS),
    )
    rows = zip(LENGTHS, [0.0, *edges], [*edges, None], by_length, strict=True)
    return [LengthPrecision(*row) for row in rows]


def _duration(video: dict) -> float:
    duration = video['duration']
    if duration is None or not duration > 0:
        raise ValueMistake(
            f'video {video["video_name"]!r}: expected a duration > 0 for relative_lengths '
            f'but got {duration}'
        )
    return duration
