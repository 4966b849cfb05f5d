"""Detections for other programs: a table for spreadsheets, subtitles for players."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import write_text

#: Segment (start, end) in seconds, score, and name of the class.
Row = tuple[Iterable[float], float, str]


def write_table(path: Path, detections: Mapping[str, Iterable[Row]]) -> None:
    """Write a CSV table with the columns ``video,label,start,end,score``.

    Seconds have 3 decimals and scores 4, for people and spreadsheets; detections of a video are in
    the order of their starts. Files of results (:func:`write_results`) keep every digit.

    Args:
        path: Of the file.
        detections: By name of the video.
    """
    text = io.StringIO(newline='')
    table = csv.writer(text, lineterminator='\n')
    table.writerow(['video', 'label', 'start', 'end', 'score'])
    for video, rows in detections.items():
        for (start, end), score, label in sorted(rows, key=lambda row: tuple(row[0])):
            table.writerow([video, label, f'{start:.3f}', f'{end:.3f}', f'{score:.4f}'])
    write_text(path, text.getvalue())


def write_subtitles(path: Path, rows: Iterable[Row]) -> None:
    """Write the detections of one video as subtitles: players show label and score while it lasts.

    Args:
        path: Ends in ``.srt`` (SubRip) or ``.vtt`` (WebVTT).
        rows: In any order; subtitles are in the order of their starts.

    Raises:
        ValueError: The path ends in something else.
    """
    kind = path.suffix.lower()
    if kind not in ('.srt', '.vtt'):
        raise ValueMistake(f'expected subtitles in a .srt or .vtt file but got {path}')
    cues = ['WEBVTT\n'] if kind == '.vtt' else []
    ordered = sorted(rows, key=lambda row: tuple(row[0]))
    for number, ((start, end), score, label) in enumerate(ordered, 1):
        first, last = round(1000 * start), round(1000 * end)
        times = ' --> '.join(_clock(time, kind) for time in (first, max(last, first + 1)))
        text = f'{" ".join(label.split())} ({score:.2f})'
        text = html.escape(text, quote=False) if kind == '.vtt' else text  # SubRip has no escapes
        cues.append(f'{number}\n{times}\n{text}\n')
    write_text(path, '\n'.join(cues))


def _clock(milliseconds: int, kind: str) -> str:
    """3723004 -> ``01:02:03,004`` (SubRip) or ``01:02:03.004`` (WebVTT)."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    mark = ',' if kind == '.srt' else '.'
    return f'{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{mark}{rest:03d}'
