"""Recordings as HTML pages, each one file that needs nothing else: a timeline, and an index."""

from __future__ import annotations

import base64
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from asl_mmaction.files.clock import clock
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.writing import replaced
from asl_mmaction.visualization.recording import (
    ANY_CLASS,
    Recording,
    band_of,
    has_no_classes,
    label_of,
)

MAX_EMBEDDED_BYTES = 20 * 10**6
# More bars than that are no picture, and slow a browser down.
MAX_ROWS = 2000
# What browsers play, if the codec is one of theirs: H.264 in MP4, VP8, VP9 or AV1 in WebM.
VIDEO_TYPES = {
    '.mp4': 'video/mp4',
    '.m4v': 'video/mp4',
    '.mov': 'video/mp4',
    '.webm': 'video/webm',
    '.ogv': 'video/ogg',
}


def write_html_timeline(
    path: str | os.PathLike,
    recording: Recording,
    *,
    video: str | os.PathLike | None = None,
    embed: bool = False,
    score_threshold: float = 0.3,
) -> Path:
    """Write a page with one recording's timeline; with a video, a player in step with it.

    Names and labels are text, whatever they contain. Of each result, the :data:`MAX_ROWS` rows of
    highest score are in the page, which says how many are not.

    Args:
        path: ends in ``.html``; missing folders are made, an old file is replaced at once.
        recording: what to show.
        video: file that the page plays, by its path relative to the page.
        embed: put the video into the page instead, which then stands alone.
        score_threshold: where the slider stands at first.

    Returns:
        The path.

    Raises:
        ValueMistake: another extension, or a video to embed that is too large or that no browser
            plays.
        FileMistake: there is no such video.
    """
    path = _checked(path)
    page = (
        _environment()
        .get_template('timeline.html')
        .render(
            recording=recording,
            data=_page_data(recording, score_threshold),
            source=None if video is None else _source(Path(video), path.parent, embed),
            video_file=None if video is None else Path(video).name,
        )
    )
    return _write(path, page)


def page_name(recording: str) -> str:
    """Name of a recording's page, without its ending, beside the ``index.html`` of all.

    That of the recording itself; ``index`` has ``index_page``, which has ``index_page_page``.
    """
    taken = re.fullmatch(r'index(_page)*', recording, re.IGNORECASE)
    return f'{recording}_page' if taken else recording


def write_html_index(
    path: str | os.PathLike,
    pages: Mapping[str | os.PathLike, Recording],
    *,
    title: str = 'Recordings',
    score_threshold: float = 0.3,
) -> Path:
    """Write a page that lists recordings, with a strip of what was found, and links their pages.

    Args:
        path: ends in ``.html``; missing folders are made.
        pages: path of a page, as :func:`write_html_timeline` wrote it -> its recording.
        title: of the list.
        score_threshold: detections below it are not counted and not drawn.

    Returns:
        The path.

    Raises:
        ValueMistake: another extension.
    """
    path = _checked(path)
    rows = [
        _index_row(recording, _link(Path(page), path.parent), score_threshold)
        for page, recording in pages.items()
    ]
    page = (
        _environment()
        .get_template('index.html')
        .render(title=title, rows=rows, score_threshold=score_threshold)
    )
    return _write(path, page)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader('asl_mmaction.visualization'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters['clock'] = clock
    return environment


def _page_data(recording: Recording, score_threshold: float) -> dict:
    tracks: list[dict] = []
    if recording.ground_truths is not None:
        truths = [_page_row(row) for row in recording.ground_truths]
        clicks = [
            {
                'kind': f'{"background" if click.label is None else "action"} click',
                'label': band_of(click),
                'start': float(click.time),
                'end': float(click.time),
            }
            for click in recording.clicks
        ]
        track = {'name': 'ground truth', 'truth': True, 'rows': truths, 'clicks': clicks}
        tracks.append(track)
    for name, rows in recording.results.items():
        best = sorted(rows, key=lambda row: -row['score'])[:MAX_ROWS]
        tracks.append(
            {
                'name': name,
                'truth': False,
                'anyClass': has_no_classes(rows),
                'rows': [_page_row(row) for row in best],
                'leftOut': len(rows) - len(best),
            }
        )
    everything = chain(recording.ground_truths or (), *recording.results.values())
    labels = [*map(label_of, everything), *map(band_of, recording.clicks)]
    return {
        'duration': float(recording.duration),
        'tiou': recording.verdict_tiou,
        'threshold': float(score_threshold),
        'classes': recording.in_order(labels),
        'anyClass': ANY_CLASS,
        'tracks': tracks,
    }


def _page_row(row: Mapping) -> dict:
    start, end = row['segment']
    found = {'start': float(start), 'end': float(end), 'label': label_of(row)}
    if 'score' in row:
        found['score'] = float(row['score'])
    if row.get('match') is not None:
        found['match'] = int(row['match'])
    return found


def _index_row(recording: Recording, link: str, score_threshold: float) -> dict:
    found = [
        row
        for rows in recording.results.values()
        for row in rows
        if row['score'] >= score_threshold
    ]
    counts = Counter(label_of(row) for row in found)
    return {
        'name': recording.video_name,
        'link': link,
        'duration': recording.duration,
        'count': len(found),
        'classes': sorted(counts.items(), key=lambda item: (-item[1], item[0])),
        'strips': [
            _strip(rows, recording.duration, score_threshold) for rows in recording.results.values()
        ],
    }


def _strip(rows: Sequence[Mapping], duration: float, threshold: float) -> list[tuple[float, ...]]:
    """Start, width and opacity of each bar of a strip that is 100 wide, the best on top."""
    shown = sorted((row for row in rows if row['score'] >= threshold), key=lambda r: r['score'])
    bars: list[tuple[float, ...]] = []
    for row in shown[-MAX_ROWS:]:
        start, end = (100 * min(max(time / duration, 0), 1) for time in row['segment'])
        bars.append((round(start, 3), round(max(end - start, 0.2), 3), round(row['score'], 2)))
    return bars


def _source(video: Path, folder: Path, embed: bool) -> str:
    if not video.is_file():
        raise FileMistake(f'expected a video but got {video}: there is no such file')
    if not embed:
        return _link(video, folder)
    kind = VIDEO_TYPES.get(video.suffix.lower())
    if kind is None:
        raise ValueMistake(
            f'expected a video that browsers play ({", ".join(VIDEO_TYPES)}) but got {video}'
        )
    size = video.stat().st_size
    if size > MAX_EMBEDDED_BYTES:
        raise ValueMistake(
            f'expected a video of at most {MAX_EMBEDDED_BYTES / 1e6:g} MB to embed but got {video} '
            f'of {size / 1e6:.1f} MB; without embedding, the page plays it from its place'
        )
    return f'data:{kind};base64,{base64.b64encode(video.read_bytes()).decode()}'


def _link(target: Path, folder: Path) -> str:
    relative = Path(os.path.relpath(target, folder)).as_posix()
    # A colon in the first part would make it a scheme: all but the slashes is quoted.
    return quote(os.fsencode(relative))


def _checked(path: str | os.PathLike) -> Path:
    path = Path(path)
    if path.suffix.lower() != '.html':
        raise ValueMistake(f'expected a page name that ends in .html but got {path}')
    return path


def _write(path: Path, page: str) -> Path:
    with replaced(path) as part:
        # What is no valid Unicode, such as half of a pair, becomes a replacement character.
        part.write_bytes(page.encode('utf-8', 'xmlcharrefreplace'))
    return path
