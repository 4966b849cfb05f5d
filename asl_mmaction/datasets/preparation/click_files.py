"""From other projects' click files to ours (:mod:`asl_mmaction.files.clicks`).

========================================  ====================================================
a click                                   is
========================================  ====================================================
of a class with blanks around its name    of the class without them
of a video whose name lacks its start     of the one video whose name ends so
of a name in another Unicode normal form  of the one video whose name looks so
of another video that is not annotated    dropped
before the video, or behind its end       dropped
given twice (time and class)              dropped but for the first
that was asked for, and has no label      dropped: not answered
========================================  ====================================================

Every case is counted. An unknown class, and a time that is no number, are errors.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asl_mmaction.files.annotations import find_label
from asl_mmaction.files.clicks import Click, read_click_file
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import check_file, finite, in_context, positive
from asl_mmaction.files.writing import hint_at_same_name

#: Columns by which the forms with a header are known.
BACKGROUND_COLUMNS = ('URLID', 'Start')
POINT_COLUMNS = ('class', 'video_id', 'point')
#: Of a list of moments to click on; the others are those for the annotator to read.
ASKED_COLUMNS = ('video', 'time', 'label')
BACKGROUND = 'background'

Rows = Iterable[tuple[str, str, Click]]


def read_foreign_clicks(
    path: Path, fps: Mapping[str, float] | float | None = None
) -> Iterator[tuple[str, str, Click]]:
    """Clicks as the file has them, row by row.

    Five forms. BackTAL's background clicks: CSV with a header, ``URLID`` the video and ``Start``
    the time. Single frames of SF-Net: no header, ``video,seconds,class``, blank lines between.
    Points of LACP and HR-Pro: CSV with a header, ``video_id``, ``class``, and ``point`` the frame;
    their segments are not read. A list of moments that ``clicks.py ask`` has written: CSV with a
    header, ``video``, ``time``, and ``label``, which somebody has filled in: ``background``, a
    class, or nothing. A click file of ours (``.json``). Columns of CSV are parted by commas,
    semicolons or tabs.

    Args:
        path: Of the file.
        fps: Frames per second of all videos, or by video, for the third form.

    Yields:
        File and line, name of the video, the click.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It has none of these forms, or a value is none. The message names file and line.
    """
    check_file(path, 'a file of clicks')
    if path.suffix == '.json':
        for video, clicks in read_click_file(path).clicks.items():
            yield from ((str(path), video, click) for click in clicks)
        return
    with in_context(str(path), 'a text file of clicks'):
        text = path.read_text(encoding='utf-8-sig').splitlines()
        # What spreadsheets part columns by depends on the country.
        delimiter = max(',;\t', key=text[0].count) if text else ','
        lines = list(csv.reader(text, delimiter=delimiter))
    header, named = lines[0] if lines else [], True
    read: Callable[..., tuple[str, Click]]
    if set(BACKGROUND_COLUMNS) <= set(header):
        read = _background_click
    elif set(POINT_COLUMNS) <= set(header):
        read = _point
    elif set(ASKED_COLUMNS) <= set(header):
        read = _answer
    elif len(header) == 3:
        read, named = _single_frame, False
    else:
        raise ValueMistake(
            f'{path}: expected columns {", ".join(BACKGROUND_COLUMNS)}, columns '
            f'{", ".join(POINT_COLUMNS)}, columns {", ".join(ASKED_COLUMNS)} or rows of video, '
            f'seconds and class but got {header}'
        )
    for number, row in enumerate(lines, 1):
        if not any(cell.strip() for cell in row) or (number == 1 and named):
            continue
        where = f'{path}:{number}'
        with in_context(where, f'{len(header)} values'):
            if len(row) != len(header):
                raise ValueMistake(f'expected {len(header)} values but got {row}')
            cells: Any = dict(zip(header, row, strict=True)) if named else row
            video, click = read(cells, fps)
        yield where, video, click


def _background_click(cells: Mapping[str, str], fps: object) -> tuple[str, Click]:
    return cells['URLID'].strip(), Click(finite('a time in seconds', cells['Start']), None)


def _single_frame(cells: list[str], fps: object) -> tuple[str, Click]:
    video, time, label = cells
    return video.strip(), Click(finite('a time in seconds', time), label)


def _point(cells: Mapping[str, str], fps: Mapping | float | None) -> tuple[str, Click]:
    video = cells['video_id'].strip()
    rate = fps.get(video) if isinstance(fps, Mapping) else fps
    if rate is None:
        raise ValueMistake(
            f'expected the fps of video {video!r}, by which frames count, but got none'
            f'{hint_at_same_name(video, fps if isinstance(fps, Mapping) else ())}'
        )
    time = finite('a frame', cells['point']) / positive('fps', rate)
    return video, Click(time, cells['class'])


def _answer(cells: Mapping[str, str], fps: object) -> tuple[str, Click]:
    label = cells['label'].strip()
    time = finite('a time in seconds', cells['time'])
    return cells['video'].strip(), Click(time, None if label.casefold() == BACKGROUND else label)


def clean_clicks(
    rows: Rows, content: Mapping | None = None
) -> tuple[dict[str, list[Click]], Counter]:
    """Apply the rules of this module.

    Args:
        rows: Of :func:`read_foreign_clicks`.
        content: Annotation file with ``database`` and ``classes``; None: videos, classes and
            durations are not known, and taken as they come.

    Returns:
        Clicks by video, by time; and how often each rule was needed.

    Raises:
        ValueError: A class is unknown.
    """
    counts: Counter = Counter()
    found: dict[str, list[Click]] = {}
    database = {} if content is None else content['database']
    labels = {} if content is None else {name: i for i, name in enumerate(content['classes'])}
    for where, video, click in rows:
        counts['clicks in the source'] += 1
        if click.label == '':
            counts['not answered'] += 1
            continue
        if click.label is not None and click.label != click.label.strip():
            counts['class names with blanks'] += 1
            click = click._replace(label=click.label.strip())
        if content is not None:
            known = _known_video(video, database, counts)
            if known is None:
                continue
            video = known
            if click.label is not None:
                find_label(where, click.label, labels)
            if not 0 <= click.time <= database[video]['duration']:
                counts['outside the video'] += 1
                continue
        clicks = found.setdefault(video, [])
        if click in clicks:
            counts['given twice'] += 1
            continue
        clicks.append(click)
    for clicks in found.values():
        clicks.sort(key=lambda click: click.time)
    counts['clicks'] = sum(map(len, found.values()))
    counts['videos'] = len(found)
    if content is not None:
        counts['background clicks inside an action'] = count_inside(found, database)
    return found, counts


def _known_video(name: str, database: Mapping, counts: Counter) -> str | None:
    if name in database:
        return name
    ends_so = [video for video in database if name and video.endswith(name)]
    if len(ends_so) == 1:
        counts['names that lack their start'] += 1
        return ends_so[0]
    normal = unicodedata.normalize('NFC', name)
    look_so = [video for video in database if unicodedata.normalize('NFC', video) == normal]
    if len(look_so) == 1:
        counts['names in another Unicode normal form'] += 1
        return look_so[0]
    counts['of unknown videos'] += 1
    return None


def count_inside(clicks: Mapping[str, Iterable[Click]], database: Mapping) -> int:
    """How many background clicks lie inside an action, or on its border."""
    count = 0
    for video, some in clicks.items():
        segments = np.array([item['segment'] for item in database[video]['annotations']])
        starts, ends = segments.reshape(-1, 2).T
        times = [click.time for click in some if click.label is None]
        count += sum(bool(((starts <= time) & (time <= ends)).any()) for time in times)
    return count
