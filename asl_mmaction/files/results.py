"""Files of results in ActivityNet's form, detections.json and proposals.json: writer and reader."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import (
    finite,
    in_context,
    positive,
    read_label,
    read_object,
    read_segment,
)
from asl_mmaction.files.writing import write_json


def write_results(
    path: Path,
    detections: Mapping[str, Iterable[tuple]],
    *,
    simulated: bool = False,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a file of results.

    Args:
        path: Of the file; see :func:`write_json`.
        detections: By name of the video, (segment in seconds, score, name of the class) of each;
            proposals are without the class.
        simulated: Whether the features were made up; the file says so.
        about: More that the file is to say; readers of ActivityNet's form pass over it.
    """
    keys = ('segment', 'score', 'label')
    results = {
        video: [dict(zip(keys, row, strict=False)) for row in rows]
        for video, rows in detections.items()
    }
    more = {**(about or {}), **({'simulated': True} if simulated else {})}
    write_json(path, {'version': 'VERSION 1.3', 'results': results, 'external_data': {}, **more})


def read_results(path: Path, *, labels: bool | None = True) -> dict[str, Any]:
    """Read a file of results, such as :func:`write_results` writes.

    Args:
        path: Of the file.
        labels: Whether each has a label. False: proposals, labels are left out. None: either; a
            file without a single label is of proposals.

    Returns:
        The content of the file. Its ``results`` are, by name of the video, dicts of ``segment``
        (start, end) in seconds, ``score`` and perhaps ``label``, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another form, or of no video; a number is not finite.
    """
    content = read_object(path)
    with in_context(str(path), "'results' by video"):
        results = dict(content['results'].items())
        if not results:
            raise ValueMistake('expected results of videos but got none')
        if labels is None:
            labels = any('label' in item for items in results.values() for item in items)
    form = f'results of segment{", score and label" if labels else " and score"}'
    for video, items in results.items():
        with in_context(f'{path}: video {video!r}', form):
            if not isinstance(items, list):
                raise ValueMistake(f'expected a list of results but got {type(items).__name__}')
            results[video] = [
                {
                    'segment': _forward(item['segment']),
                    **({'label': read_label(item['label'])} if labels else {}),
                    'score': finite('a score', item['score']),
                }
                for item in items
            ]
    return {**content, 'results': results}


def read_duration(path: Path, content: Mapping, video: str) -> float | None:
    """Seconds that a recording lasts, where a file of results says so, as that of inference does.

    Args:
        path: Of the file, for an error.
        content: From :func:`read_results`.
        video: Its name.

    Raises:
        ValueError: It is no number above 0.
    """
    videos = content.get('videos')
    about = videos.get(video) if isinstance(videos, dict) else None
    if not isinstance(about, dict) or 'duration' not in about:
        return None
    with in_context(f'{path}: video {video!r}'):
        return positive('a duration', about['duration'])


def _forward(segment: Any) -> tuple[float, float]:
    start, end = read_segment(segment)
    if end < start:  # such as a start and a length
        raise ValueMistake(
            f'expected a segment of start and end, start <= end, in seconds, but got {segment}'
        )
    return start, end
