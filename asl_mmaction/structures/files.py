"""Writing files: all of one, or nothing, and nowhere but where they belong."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePath


def prepare_folder(folder: Path) -> None:
    """Make a folder and try to write into it: before computing what is to be written there.

    Raises:
        ValueError: it cannot be made, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f'expected a folder to write into but got {folder}: {error.strerror}'
        ) from error


def write_json(path: Path, content: Mapping) -> None:
    """Write a JSON file: whatever goes wrong, ``path`` is the old file or the new one.

    Creates its folder. UTF-8, with escapes for all that is not ASCII, so that any string, even one
    that is no valid Unicode, comes back the same; numbers in full precision.

    Raises:
        ValueError: a number is nan or inf, which JSON does not have.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        scratch.write_text(json.dumps(content, allow_nan=False, indent=1) + '\n', encoding='utf-8')
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
        raise ValueError(f'expected a video name that stays inside its folder but got {video!r}')
    return video
