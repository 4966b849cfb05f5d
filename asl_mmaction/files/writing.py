"""Writing files: all of one, or nothing, and nowhere but where they belong."""

import difflib
import json
import os
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath

from asl_mmaction.files.mistakes import ValueMistake


def prepare_folder(folder: Path) -> None:
    """Make a folder and try to write into it: before computing what is to be written there.

    Raises:
        ValueError: it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueMistake(
            f'expected a folder to write into but got {folder}: {error.strerror}'
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8, see :func:`replaced`.

    What is no valid Unicode is written as an escape (``\\udc80``).
    """
    with replaced(path) as scratch:
        scratch.write_text(text, encoding='utf-8', errors='backslashreplace', newline='')


def write_json(path: Path, content: Mapping) -> None:
    """Write a JSON file: whatever goes wrong, ``path`` is the old file or the new one.

    Creates its folder. UTF-8, with escapes for all that is not ASCII, so that any string, even one
    that is no valid Unicode, comes back the same; numbers in full precision.

    Raises:
        ValueError: a number is nan or inf, which JSON does not have.
    """
    write_text(path, json.dumps(content, allow_nan=False, indent=1) + '\n')


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name to write to, which takes the place of ``path`` once all is written; makes its folder.

    Whatever goes wrong, ``path`` is the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def check_file_name(video: str) -> str:
    """The name of a video, as it was given: a file may be called so, also in a folder (``a/b``).

    Raises:
        ValueError: What is put behind a folder would lead out of it.
    """
    path = PurePath(video)
    if path.anchor or '..' in path.parts:
        raise ValueMistake(f'expected a video name that stays inside its folder but got {video!r}')
    return video


def hint_at_same_name(name: str, names: Iterable[str]) -> str:
    """What to add to an error about a name that is not there, though one looks nearly the same.

    An accent is one character with its letter (NFC) or one of its own behind it (NFD, as macOS
    writes file names); neither a file system of Linux nor Python takes the one for the other. Nor
    do they take a letter for the same in the other case.

    Args:
        name: That is not among the names.
        names: In any order; of several that look so, the first in sorted order is told.

    Returns:
        A part of a sentence that begins with a semicolon, or nothing.
    """
    names = list(names)
    normal = unicodedata.normalize('NFC', name)
    same = sorted(x for x in names if x != name and unicodedata.normalize('NFC', x) == normal)
    if same:
        return f'; {same[0]!a} is there: {name!a} in another Unicode normal form'
    other_case = sorted(x for x in names if x != name and x.casefold() == name.casefold())
    return f'; {other_case[0]!r} is there, in another case' if other_case else ''


def hint_at_nearest(wrong: Iterable[str], names: Iterable[str]) -> str:
    """What to add to an error about names that are not there: up to three of those that are, each.

    Returns:
        A part of a sentence that begins with a semicolon, or nothing.
    """
    names = list(names)
    near = [x for name in wrong for x in difflib.get_close_matches(name, names, cutoff=0)]
    return f'; the nearest there: {", ".join(near)}' if near else ''


def hint_at_same_file(path: str | os.PathLike) -> str:
    """As :func:`hint_at_same_name`, of a file that is not there and those beside it."""
    folder, name = os.path.split(path)
    folder = folder or '.'
    return hint_at_same_name(name, os.listdir(folder)) if os.path.isdir(folder) else ''
