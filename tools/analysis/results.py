"""Files of results and of annotations, as the tools of this folder read them.

What is not of their form is an error of one line, with the file and the video.
"""

from pathlib import Path
from typing import Any

from asl_mmaction.files.reading import (
    finite,
    in_context,
    positive,
    read_label,
    read_object,
    read_segment,
)


def read_results(path: Path, *, labels: bool | None = True) -> dict[str, Any]:
    """A file that tools/test.py wrote; ``results``: of each video segments, scores and labels.

    Args:
        path: Of the file.
        labels: False for proposals, which have none; None for both: without a single
            label they are proposals.
    """
    content = read_object(path)
    with in_context(str(path), "'results' by video"):
        results = dict(content['results'].items())
        if not results:
            raise ValueError('expected results of videos but got none')
        if labels is None:
            labels = any('label' in item for items in results.values() for item in items)
    form = f'results of segment{", score and label" if labels else " and score"}'
    for video, items in results.items():
        with in_context(f'{path}: video {video!r}', form):
            results[video] = [
                {**_action(item, labels), 'score': finite('a score', item['score'])}
                for item in items
            ]
    return {**content, 'results': results}


def read_annotations(path: Path) -> dict[str, Any]:
    """A data set's annotation file; ``database``: of each video duration and annotations."""
    content = read_object(path)
    with in_context(str(path), "'database' by video"):
        database = dict(content['database'].items())
    for name, video in database.items():
        with in_context(f'{path}: video {name!r}', 'duration and annotations of segment and label'):
            database[name] = {
                **video,
                'duration': positive('a duration', video['duration']),
                'annotations': [_action(item, True) for item in video['annotations']],
            }
    return {**content, 'database': database}


def _action(item: dict, label: bool) -> dict[str, Any]:
    action = {'segment': read_segment(item['segment'])}
    return {**action, 'label': read_label(item['label'])} if label else action
