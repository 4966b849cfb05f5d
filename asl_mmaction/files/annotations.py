"""The annotation schema of :class:`TALDataset`: what its file may hold, checked part by part."""

import reprlib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import is_number, read_json
from asl_mmaction.files.writing import hint_at_same_name

#: What a value of the schema has to be -> its type, but for a number: see :func:`is_number`.
KINDS = {'a string': str, 'a list': list}


def read_annotations(path: Path) -> dict[str, Any]:
    """Read an annotation file as it is; only that its ``database`` is an object is checked.

    Raises:
        FileNotFoundError: There is none.
        TypeError: It has no database of videos by name.
        ValueError: It is not JSON.
    """
    # JSON whatever the name is: other formats that mmengine would choose by it run code
    content = read_json(path)
    holder = content if isinstance(content, dict) else {}
    if not isinstance(holder.get('database'), dict):
        found = holder.get('database', content)
        raise TypeMistake(
            f"{path}: expected an object with a 'database' of videos by name "
            f'but got {_describe(found)}'
        )
    return content


def read_checked_annotations(path: Path) -> dict[str, Any]:
    """Read an annotation file, each video checked: see :func:`check_video`."""
    content = read_annotations(path)
    database = {
        name: check_video(f'{path}: video {name!r}', video)
        for name, video in content['database'].items()
    }
    return {**content, 'database': database}


def check_video(where: str, video: Any) -> dict[str, Any]:
    """A video of the database, its ``duration`` and ``annotations`` checked.

    Args:
        where: File and video, for the error.
        video: As the file has it.

    Raises:
        TypeError: A part is of another type than the schema's.
        ValueError: A part is missing, the duration is not above 0, or a segment is not
            [start, end] in seconds with start <= end.
    """
    duration = require(where, video, 'duration', 'a number')
    if duration <= 0:
        raise ValueMistake(f'{where}: expected a duration > 0 but got {duration}')
    for item in require(where, video, 'annotations', 'a list'):
        segment = require(where, item, 'segment', 'a list')
        if len(segment) != 2 or not all(map(is_number, segment)) or segment[0] > segment[1]:
            raise ValueMistake(
                f'{where}: expected a segment [start, end] in seconds, '
                f'start <= end, but got {reprlib.repr(segment)}'
            )
        require(where, item, 'label', 'a string')
    return video


def segments_of(items: Iterable[Mapping]) -> np.ndarray:
    """(n, 2) float64 start and end of annotations or results, as their file has them."""
    return np.array([item['segment'] for item in items], dtype=np.float64).reshape(-1, 2)


def require(where: str, holder: Any, key: str, kind: str) -> Any:
    """The value of a key, which has to be ``'a string'``, ``'a list'`` or ``'a number'``.

    Raises:
        TypeError: It is something else.
        ValueError: There is no such key, or the holder is no object.
    """
    if not isinstance(holder, dict) or key not in holder:
        raise ValueMistake(f'{where}: expected key {key!r} but got {_describe(holder)}')
    value = holder[key]
    if not (is_number(value) if kind == 'a number' else isinstance(value, KINDS[kind])):
        raise TypeMistake(
            f'{where}: expected key {key!r} to be {kind} but got {reprlib.repr(value)}'
        )
    return value


def select_videos(
    path: str, database: Mapping, subsets: Sequence[str], exclude_videos: Collection[str] = ()
) -> list[str]:
    """Names of the videos of some subsets, in the order of the file.

    Args:
        path: Of the file, for an error.
        database: Of :func:`read_annotations`.
        subsets: Compared exactly.
        exclude_videos: Names of videos that are left out.

    Raises:
        TypeError: A subset of the file is not a string.
        ValueError: There is no such subset or excluded video, or no video is left.
    """
    known = {
        require(f'{path}: video {name!r}', video, 'subset', 'a string')
        for name, video in database.items()
    }
    for subset in subsets:
        if subset not in known:
            raise ValueMistake(f'{path}: expected a subset of {sorted(known)} but got {subset!r}')
    unknown = sorted(set(exclude_videos) - set(database))
    if unknown:
        raise ValueMistake(
            f'{path}: expected exclude_videos that are in the file '
            f'but got {unknown[0]!r}{hint_at_same_name(unknown[0], database)}'
        )
    names = [name for name, video in database.items() if video['subset'] in subsets]
    kept = [name for name in names if name not in exclude_videos]
    if not kept:
        raise ValueMistake(
            f'{path}: expected exclude_videos that leave a video of subset '
            f'{", ".join(subsets)} but got all {len(names)}'
        )
    return kept


def find_classes(path: str, content: Mapping, given: Any = None) -> tuple[str, ...]:
    """The class names, in the order of their labels; said where they are a guess.

    Args:
        path: Of the file, for messages.
        content: Of :func:`read_annotations`.
        given: Names that go before those of the file. None: the file's ``classes``, its
            ``taxonomy`` if that is a list of names, or all its labels, sorted.

    Raises:
        TypeError: They are no list of strings.
        ValueError: There are none, or two are the same, or differ in spaces alone.
    """
    classes = content.get('classes') if given is None else given
    if classes is None and is_names(content.get('taxonomy')):
        classes = content['taxonomy']
    if classes is None:
        classes = _find_labels(path, content['database'])
        print_log(
            f'{path}: no classes are given: they are the {len(classes)} labels of the '
            f'file, sorted ({_shorten(classes)}); metainfo=dict(classes=[...]) sets them',
            logger='current',
        )
    if not is_names(classes):
        raise TypeMistake(
            f'{path}: expected classes to be a list of strings but got {reprlib.repr(classes)}'
        )
    repeated = {name for name in classes if list(classes).count(name) > 1}
    if repeated or not classes:
        raise ValueMistake(
            f'{path}: expected a list of distinct class names but got '
            f'{"none" if not classes else "repeated " + repr(min(repeated))}'
        )
    same: dict[str, str] = {}
    for name in classes:
        other = same.setdefault(_without_spaces(name), name)
        if other != name or not name.strip():
            raise ValueMistake(
                f'{path}: expected class names that differ in more than spaces but '
                f'got {other!r} and {name!r}'
            )
    return tuple(classes)


def _find_labels(path: str, database: Mapping) -> list[str]:
    """All labels of the file, sorted."""
    labels: dict[str, str] = {}  # and the first video of each
    for name, video in database.items():
        where = f'{path}: video {name!r}'
        for item in require(where, video, 'annotations', 'a list'):
            labels.setdefault(require(where, item, 'label', 'a string'), name)
    same: dict[str, str] = {}
    for label, name in labels.items():
        other = same.setdefault(_without_spaces(label).casefold(), label)
        if other != label:
            raise ValueMistake(
                f'{path}: video {name!r}: expected label {other!r}, as in {labels[other]!r}, but '
                f"got {label!r}; if both are classes, 'classes' in the file lists them"
            )
    return sorted(labels)


def find_label(where: str, name: str, labels: Mapping[str, int]) -> int:
    """The label of a class name; ``labels`` has those of all.

    Raises:
        ValueError: There is no such class; one that differs in case or spaces alone is named.
    """
    if name not in labels:
        folded = _without_spaces(name).casefold()
        alike = [c for c in labels if _without_spaces(c).casefold() == folded]
        meant = f', which is {alike[0]!r} but for case or spaces' if alike else ''
        raise ValueMistake(
            f'{where}: expected one of {len(labels)} classes '
            f'({_shorten(labels)}) but got label {name!r}{meant}'
        )
    return labels[name]


def is_names(value: Any) -> bool:
    """Whether a value is a list of strings."""
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def _without_spaces(name: str) -> str:
    """Without those around it, one between words, and each letter in one form of Unicode."""
    return ' '.join(unicodedata.normalize('NFC', name).split())


def _describe(value: Any) -> str:
    return f'keys {_shorten(value)}' if isinstance(value, dict) else type(value).__name__


def _shorten(names: Iterable[str]) -> str:
    names = list(names)
    return ', '.join(map(str, names[:5])) + (', ...' if len(names) > 5 else '')
