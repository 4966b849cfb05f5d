"""Annotation files of other projects as rows: ActivityNet's form, PointTAD's, mmaction2's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asl_mmaction.datasets.preparation.action_rows import Row, Rows, read_label_studio
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import (
    in_context,
    positive,
    read_json,
    read_label,
    read_segment,
    videos_of,
)

FORM = 'subset, duration and annotations of segment and label'


def read_json_rows(path: Path, classes: Sequence[str] | None) -> Rows:
    """Read a JSON file of any known form.

    Args:
        path: The file: ActivityNet's form, with or without ``database``; mmaction2's
            (``duration_second``); PointTAD's (``actions`` of [class number, start, end]); what
            Label Studio exports, a list.
        classes: Names behind class numbers, which count from 0, or from 1 where the last is as
            many as there are classes.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is of no such form, or has class numbers without names.
    """
    content = read_json(path)
    if isinstance(content, list):
        return read_label_studio(path, content)
    with in_context(str(path), FORM):
        videos = videos_of(path, content)
        if not any({'annotations', 'actions'} & set(video) for video in videos.values()):
            raise ValueMistake(
                "expected JSON of ActivityNet's form, mmaction2's, PointTAD's or Label Studio's "
                f'but got an object of {", ".join(map(repr, list(content)[:5]))}'
            )
        numbers = [item[0] for video in videos.values() for item in (video.get('actions') or ())]
    first = 0
    if numbers:
        if classes is None:
            raise ValueMistake(f'{path}: expected --classes for class numbers but got none')
        first = int(max(numbers) == len(classes))
        known = range(first, first + len(classes))
        odd = [number for number in numbers if number not in known]
        if odd:
            raise ValueMistake(
                f'{path}: expected class numbers of {known.start}..{known.stop - 1} but got '
                f'{odd[0]!r}'
            )
    found, names = Rows(), classes or ()
    if first:
        found.note('class numbers count from 1')
    for name, video in videos.items():
        where = f'{path}: video {name!r}'
        with in_context(where, FORM):
            duration = video['duration'] if 'duration' in video else video['duration_second']
            fps = video.get('fps')
            base: dict[str, Any] = dict(
                where=where,
                video=name,
                subset=video.get('subset'),
                duration=positive('a duration', duration),
                fps=None if fps is None else positive('fps', fps),
            )
            found.rows.append(Row(**base))
            for number, *segment in video.get('actions') or ():
                start, end = read_segment(segment)
                found.rows.append(
                    Row(**base, label=names[int(number) - first], start=start, end=end)
                )
            for item in video.get('annotations') or ():
                unit = 'seconds' if 'segment' in item else 'frames'
                start, end = read_segment(
                    item['segment' if unit == 'seconds' else 'segment(frames)']
                )
                found.rows.append(
                    Row(**base, label=read_label(item['label']), start=start, end=end, unit=unit)
                )
    return found
