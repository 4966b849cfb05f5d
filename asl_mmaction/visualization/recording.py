"""One recording as the pictures show it: its length, what was found in it, what is known of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from asl_mmaction.files.clicks import Click
from asl_mmaction.files.mistakes import ValueMistake

ANY_CLASS = 'any class'
BACKGROUND = 'background'


@dataclass(frozen=True)
class Recording:
    """What timelines, as a picture or as a page, are drawn from.

    A row is a mapping with ``segment``, (start, end) in seconds, and ``label``, the name of the
    class; None or absent for proposals, which are drawn beside all ground truths. Rows of results
    have a ``score`` as well, in [0, 1] by custom.

    Args:
        video_name: any text.
        duration: seconds.
        results: name of a model or run -> its rows, in any order.
        ground_truths: rows of the annotation; None if there is none, which differs from none found.
        verdict_tiou: if given, rows of results have ``match``: the index of the ground truth that
            they find at this tIoU, or None. A detection that finds one is correct, another one
            wrong; a ground truth that none finds is missed.
        classes: their order from top to bottom; those that are not in it follow by name.
        clicks: drawn beside the ground truths: those on actions in the row of their class, those
            on background in a row of their own, the last.

    Raises:
        ValueMistake: a duration that is not positive, a segment that is not finite or ends before
            it starts, a score or the time of a click that is not finite, a verdict without ground
            truths or matches, or clicks without ground truths.
    """

    video_name: str
    duration: float
    results: Mapping[str, Sequence[Mapping]]
    ground_truths: Sequence[Mapping] | None = None
    verdict_tiou: float | None = None
    classes: Sequence[str] = ()
    clicks: Sequence[Click] = ()

    def __post_init__(self) -> None:
        if not (self.duration > 0 and math.isfinite(self.duration)):
            raise ValueMistake(
                f'expected {self.video_name} to have a positive duration but got {self.duration}'
            )
        for row in self.ground_truths or ():
            self._check_segment(row)
        for rows in self.results.values():
            for row in rows:
                self._check_segment(row)
                if not math.isfinite(row['score']):
                    raise ValueMistake(
                        f'{self.video_name}: expected a finite score but got {row["score"]}'
                    )
        for click in self.clicks:
            if not math.isfinite(click.time):
                raise ValueMistake(
                    f'{self.video_name}: expected a click at a finite time but got {click.time}'
                )
        if self.clicks and self.ground_truths is None:
            raise ValueMistake(
                f'{self.video_name}: expected ground truths with clicks but got none'
            )
        if self.verdict_tiou is None:
            return
        rows = [row for rows in self.results.values() for row in rows]
        if self.ground_truths is None or not all('match' in row for row in rows):
            raise ValueMistake(
                f'{self.video_name}: expected ground truths, and a match of each detection, for a '
                'verdict but got none'
            )

    def in_order(self, labels: Iterable[str]) -> list[str]:
        """Labels, each once, in the order in which they are drawn."""
        ranks = {name: rank for rank, name in enumerate(self.classes)}
        others = len(ranks)
        ranks = {ANY_CLASS: others + 1, BACKGROUND: others + 2, **ranks}
        return sorted(set(labels), key=lambda name: (ranks.get(name, others), name))

    def _check_segment(self, row: Mapping) -> None:
        start, end = row['segment']
        if not (math.isfinite(start) and math.isfinite(end) and start <= end):
            raise ValueMistake(
                f'{self.video_name}: expected a segment (start, end) in seconds but got '
                f'{row["segment"]}'
            )


def has_no_classes(rows: Iterable[Mapping]) -> bool:
    """Whether rows are proposals."""
    return any(row.get('label') is None for row in rows)


def band_of(click: Click) -> str:
    """Where a click is drawn: the class of an action, or what stands for background."""
    return BACKGROUND if click.label is None else click.label


def label_of(row: Mapping) -> str:
    """The class of a row, or what stands for it where there is none."""
    label = row.get('label')
    return ANY_CLASS if label is None else label
