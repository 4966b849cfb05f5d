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
import functools
import io
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from asl_mmaction.files.annotations import find_label
from asl_mmaction.files.clicks import Click, count_covered, read_click_file
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
    path: Path,
    fps: Mapping[str, float] | float | None = None,
    classes: Iterable[str] = (),
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
        classes: Names, as far as they are known. In the fourth form none may be ``background``.

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
    lines = _read_lines(path)
    header, named = lines[0][1] if lines else [], True
    read: Callable[..., tuple[str, Click]]
    if set(BACKGROUND_COLUMNS) <= set(header):
        read = _background_click
    elif set(POINT_COLUMNS) <= set(header):
        read = _point
    elif set(ASKED_COLUMNS) <= set(header):
        read = _answer
        if any(name.casefold() == BACKGROUND for name in classes):
            raise ValueMistake(
                f'{path}: expected classes that differ from the answer {BACKGROUND!r} but got one '
                'of this name'
            )
    elif len(header) == 3:
        read, named = _single_frame, False
    else:
        raise ValueMistake(
            f'{path}: expected columns {", ".join(BACKGROUND_COLUMNS)}, columns '
            f'{", ".join(POINT_COLUMNS)}, columns {", ".join(ASKED_COLUMNS)} or rows of video, '
            f'seconds and class but got {header}'
        )
    for number, row in lines[1:] if named else lines:
        if not any(cell.strip() for cell in row):
            continue
        where = f'{path}:{number}'
        with in_context(where, f'{len(header)} values'):
            if len(row) != len(header):
                raise ValueMistake(f'expected {len(header)} values but got {row}')
            cells: Any = dict(zip(header, row, strict=True)) if named else row
            video, click = read(cells, fps)
        yield where, video, click


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Rows of a CSV file with the number of their (last) line."""
    with in_context(str(path), 'a text file of clicks in UTF-8'):
        with path.open(encoding='utf-8-sig', newline='') as file:
            text = file.read()
        if '\0' in text:
            raise ValueMistake('expected a text file of clicks in UTF-8 but got one with NUL bytes')
        # What spreadsheets part columns by depends on the country.
        delimiter = max(',;\t', key=text.splitlines()[0].count) if text else ','
        reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter)
        return [(reader.line_num, row) for row in reader]


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
    found: dict[str, dict[Click, None]] = {}  # each click once, in the order of the rows
    database = {} if content is None else content['database']
    labels = {} if content is None else {name: i for i, name in enumerate(content['classes'])}
    known_video = functools.cache(lambda name: _known_video(name, database))
    for where, video, click in rows:
        counts['clicks in the source'] += 1
        if click.label == '':
            counts['not answered'] += 1
            continue
        if click.label is not None and click.label != click.label.strip():
            counts['class names with blanks'] += 1
            click = click._replace(label=click.label.strip())
        if content is not None:
            known, rule = known_video(video)
            if rule:
                counts[rule] += 1
            if known is None:
                continue
            video = known
            if click.label is not None:
                find_label(where, click.label, labels)
            if not 0 <= click.time <= database[video]['duration']:
                counts['outside the video'] += 1
                continue
        clicks = found.setdefault(video, {})
        if click in clicks:
            counts['given twice'] += 1
        clicks[click] = None
    kept = {video: sorted(clicks, key=lambda click: click.time) for video, clicks in found.items()}
    counts['clicks'] = sum(map(len, kept.values()))
    counts['videos'] = len(kept)
    if content is not None:
        counts['background clicks inside an action'] = count_inside(kept, database)
    return kept, counts


def _known_video(name: str, database: Mapping) -> tuple[str | None, str]:
    """The video that is meant, if any, and the rule by which, unless it has this name."""
    if name in database:
        return name, ''
    ends_so = [video for video in database if name and video.endswith(name)]
    if len(ends_so) == 1:
        return ends_so[0], 'names that lack their start'
    normal = unicodedata.normalize('NFC', name)
    look_so = [video for video in database if unicodedata.normalize('NFC', video) == normal]
    if len(look_so) == 1:
        return look_so[0], 'names in another Unicode normal form'
    return None, 'of unknown videos'


def count_inside(clicks: Mapping[str, Iterable[Click]], database: Mapping) -> int:
    """How many background clicks lie inside an action, or on its border."""
    count = 0
    for video, some in clicks.items():
        segments = np.array([item['segment'] for item in database[video]['annotations']])
        times = np.array([click.time for click in some if click.label is None])
        count += count_covered(times, segments.reshape(-1, 2))
    return count
