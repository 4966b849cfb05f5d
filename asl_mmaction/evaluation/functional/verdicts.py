"""Which detections of one recording are right: what mAP counts, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from asl_mmaction.evaluation.functional.average_precision import match_detections
from asl_mmaction.evaluation.functional.instances import Instances
from asl_mmaction.files.annotations import segments_of


def with_matches(
    ground_truths: Sequence[Mapping], detections: Sequence[Mapping], tiou_threshold: float
) -> list[dict]:
    """The detections, each with ``match``: the index of the ground truth that it finds, or None.

    They are matched as for the average precision at that tIoU. A detection that finds a ground
    truth is a true positive.

    Args:
        ground_truths: of one recording; ``label``, ``segment`` (start, end).
        detections: the same with ``score``. Proposals, which have no ``label`` or None, are matched
            with the ground truths of all classes.
        tiou_threshold: in (0, 1].

    Raises:
        ValueError: a threshold outside (0, 1], or numbers that are not finite.
    """
    anything = any(row.get('label') is None for row in detections)
    names = sorted({row['label'] for row in (*ground_truths, *(() if anything else detections))})
    numbers: dict[str | None, int] = {
        name: 0 if anything else number for number, name in enumerate(names)
    }
    columns = _columns(detections, numbers)._replace(
        scores=np.array([row['score'] for row in detections], dtype=np.float64)
    )
    matched = match_detections(
        _columns(ground_truths, numbers), columns, max(len(names), 1), [tiou_threshold]
    )
    matches = np.empty(len(detections), dtype=np.int64)
    matches[matched.order] = matched.found[0]
    return [
        {**row, 'match': None if index < 0 else index}
        for row, index in zip(detections, matches.tolist(), strict=True)
    ]


def _columns(rows: Sequence[Mapping], numbers: Mapping[str | None, int]) -> Instances:
    return Instances(
        videos=np.zeros(len(rows), dtype=np.int64),
        segments=segments_of(rows),
        labels=np.array([numbers.get(row.get('label'), 0) for row in rows], dtype=np.int64),
    )
