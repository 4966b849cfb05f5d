"""Click files: moments of a video that somebody has marked, as background or as a class.

Clicks lie in a file of their own, beside the annotations, so that annotators can be exchanged
(JSON, all times in seconds)::

    {
        "source": "...",
        "simulated": {"seed": 0, ...},      only if nobody has clicked
        "database": {"<video>": [{"time": 12.5, "label": null}, {"time": 31.0, "label": "Diving"}]}
    }

``label`` is the name of a class, or null for background.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import finite, in_context, read_label, read_object
from asl_mmaction.files.writing import write_json


class Click(NamedTuple):
    """One click.

    Attributes:
        time: Seconds.
        label: Name of a class; None = background.
    """

    time: float
    label: str | None


class ClickFile(NamedTuple):
    """The content of a click file.

    Attributes:
        clicks: Clicks by name of the video, as they stand in the file.
        simulated: Whether they were drawn from a full annotation.
    """

    clicks: dict[str, list[Click]]
    simulated: bool


def read_click_file(path: Path) -> ClickFile:
    """Read a click file; see this module.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not of this form. The message names the file and the video.
    """
    content = read_object(path)
    database = content.get('database')
    if not isinstance(database, dict):
        raise ValueMistake(
            f"{path}: expected an object with a 'database' of clicks by video "
            f'but got keys {", ".join(list(content)[:5])}'
        )
    clicks = {}
    for video, items in database.items():
        with in_context(f'{path}: video {video!r}', "clicks with 'time' and 'label'"):
            if not isinstance(items, list):
                raise ValueMistake(f'expected a list of clicks but got {type(items).__name__}')
            clicks[video] = [_click(item) for item in items]
    return ClickFile(clicks, bool(content.get('simulated')))


def _click(item: Mapping) -> Click:
    label = item['label']
    time = item['time']
    if isinstance(time, str):  # in a JSON file, a number is one
        raise ValueMistake(f'expected a time in seconds but got {time!r}')
    return Click(finite('a time in seconds', time), None if label is None else read_label(label))


def count_covered(times: np.ndarray, segments: np.ndarray) -> int:
    """How many times lie in one of the segments or on its end; (n,) and (G, 2) of one unit."""
    starts, ends = np.sort(segments, axis=0).T  # each by itself
    begun, over = np.searchsorted(starts, times, 'right'), np.searchsorted(ends, times)
    return int((begun > over).sum())


def write_click_file(
    path: Path,
    clicks: Mapping[str, Iterable[Click]],
    *,
    source: str,
    simulated: Mapping | None = None,
) -> None:
    """Write a click file; see this module.

    Args:
        path: Of the file.
        clicks: Clicks by name of the video.
        source: Where they come from.
        simulated: Seed and rule, if nobody has clicked.
    """
    database = {
        video: [{'time': click.time, 'label': click.label} for click in some]
        for video, some in clicks.items()
    }
    note = {} if simulated is None else {'simulated': dict(simulated)}
    write_json(path, {'source': source, **note, 'database': database})
