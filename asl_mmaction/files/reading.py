"""JSON, CSV, lines of text and numbers. Whatever is not of its form is an error of one line."""

import csv
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

from asl_mmaction.files.mistakes import FileMistake, Mistake, ValueMistake
from asl_mmaction.files.writing import hint_at_same_file

#: What Python raises while it takes apart a file of another form.
FORM_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    csv.Error,
)


@contextmanager
def in_context(where: str, expected: str | None = None) -> Iterator[None]:
    """Add file and video to any error raised inside.

    A mistake keeps its type and its words: ``a.json: video 'v': expected fps > 0 but got 0``.
    What Python raises at a file of another form becomes
    ``a.json: video 'v': expected a duration but got no 'duration'``.

    Args:
        where: File, and video or line.
        expected: The form. None: errors of Python are left as they are.

    Raises:
        ValueError: An error of Python.
    """
    try:
        yield
    except Mistake as error:
        raise type(error)(f'{where}: {error}') from error
    except FORM_ERRORS as error:
        if expected is None:
            raise
        kind = 'no' if isinstance(error, KeyError) else f'{type(error).__name__}:'
        raise ValueMistake(f'{where}: expected {expected} but got {kind} {error}') from error


def check_file(path: str | os.PathLike, what: str = 'a file') -> None:
    """Make sure that a file is there.

    Args:
        path: Of the file.
        what: What it should be, for the error.

    Raises:
        FileNotFoundError: There is none, or a folder.
    """
    if not os.path.isfile(path):
        found = 'is a folder' if os.path.isdir(path) else 'does not exist'
        raise FileMistake(f'expected {what} but got {path}, which {found}{hint_at_same_file(path)}')


def is_number(value: Any) -> bool:
    """Whether a value is a number and finite, also as a float. True, False and text are none."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def finite(what: str, value: Any, *, above: float = -math.inf) -> float:
    """A finite number, or text that is one (without the underscores that Python allows).

    Raises:
        ValueError: It is not, or not above the bound.
    """
    try:
        number: Any = float(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if isinstance(value, str) and '_' in value:
        number = None
    if not is_number(number) or not number > above:
        raise ValueMistake(f'expected {what} but got {value!r}')
    return float(number)


def positive(what: str, value: Any) -> float:
    """As :func:`finite`, above 0."""
    return finite(f'{what} > 0', value, above=0)


def read_segment(segment: Any) -> tuple[float, float]:
    """Start and end.

    Raises:
        ValueError: They are not two finite numbers.
    """
    try:
        start, end = map(float, segment if isinstance(segment, (list, tuple)) else ())
    except (OverflowError, TypeError, ValueError):
        start = end = math.nan
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueMistake(f'expected a segment of start and end, in seconds, but got {segment}')
    return start, end


def read_label(label: Any) -> str:
    """The name of a class.

    Raises:
        ValueError: It is no text.
    """
    if not isinstance(label, str):
        raise ValueMistake(f'expected the name of a class but got {label!r}')
    return label


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not JSON.
    """
    check_file(path)
    with in_context(str(path), 'JSON'):
        return json.loads(path.read_text(encoding='utf-8-sig'), object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueMistake(f'expected each name of an object once but got {name!r} twice')
        content[name] = value
    return content


def read_object(path: Path) -> dict[str, Any]:
    """Parse a JSON file that holds an object; errors as :func:`read_json`'s."""
    return _object(path, read_json(path))


def videos_of(path: Path, content: Mapping) -> dict[str, Any]:
    """Videos by name of a parsed file: its ``database``, or else the content itself."""
    return _object(path, content.get('database', content))


def _object(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        found = '{}' if value == {} else type(value).__name__
        raise ValueMistake(f'{path}: expected a non-empty JSON object but got {found}')
    return value


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a CSV file with a header that names at least ``columns``.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A column is missing, a row has fewer values than there are columns, or there is
            no row.
    """
    check_file(path)
    with in_context(str(path), 'a CSV file'), path.open(newline='', encoding='utf-8-sig') as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or []
        missing = [name for name in columns if name not in names]
        if missing:
            raise ValueMistake(f'expected column {missing[0]!r} but got {names}')
        rows = []
        for row in reader:
            count = sum(value is not None for value in row.values())
            if count < len(names):
                raise ValueMistake(
                    f'line {reader.line_num}: expected {len(names)} values but got {count}'
                )
            rows.append(row)
        if not rows:
            raise ValueMistake('expected rows below the header but got none')
        return rows


def read_names(path: Path) -> list[str]:
    """Names of videos or classes: a JSON list (or the keys of an object), or one in each line."""
    if path.suffix == '.json':
        content = read_json(path)
        if not isinstance(content, list):
            content = videos_of(path, _object(path, content))
        return [str(name) for name in content]
    return [line.strip() for line in _lines(path) if line.strip()]


def read_classes(path: Path) -> list[str]:
    """Names of classes in the order of their labels: a JSON list, or one in each line.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A JSON object, whose order need not be that of the labels.
    """
    if path.suffix == '.json' and not isinstance(read_json(path), list):
        raise ValueMistake(
            f'{path}: expected a list of class names, in the order of their labels, but got an '
            'object'
        )
    return read_names(path)


def read_lines(path: Path) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """(file and number of line, video, (start, end)) of a text file with these in each line."""
    for number, line in enumerate(_lines(path), 1):
        parts = line.split()
        if len(parts) not in (0, 3):
            raise ValueMistake(f'{path}:{number}: expected video, start, end but got {line!r}')
        if parts:
            name, start, end = parts
            yield f'{path}:{number}', name, (start, end)


def _lines(path: Path) -> list[str]:
    check_file(path)
    with in_context(str(path), 'a text file'):
        return path.read_text(encoding='utf-8-sig').splitlines()


def read_durations(path: Path) -> dict[str, tuple[float, float | None]]:
    """Video -> (duration in seconds, fps or None).

    Of a CSV file with columns ``video``, ``duration`` and perhaps ``fps``, or of a JSON file:
    numbers of seconds by video, or any annotation file with ``duration`` (and ``fps``).
    """
    if path.suffix == '.json':
        given = list(videos_of(path, read_object(path)).items())
    else:
        rows = read_table(path, ('video', 'duration'))
        given = [(row['video'], {**row, 'fps': row.get('fps') or None}) for row in rows]
    durations: dict[str, tuple[float, float | None]] = {}
    for name, video in given:
        with in_context(f'{path}: video {name!r}', 'a duration'):
            if not isinstance(video, dict):
                video = {'duration': video}
            seconds, fps = positive('a duration', video['duration']), video.get('fps')
            found = seconds, None if fps is None else positive('fps', fps)
            if durations.setdefault(name, found) != found:
                raise ValueMistake(f'expected one duration but got {durations[name]} and {found}')
    return durations
