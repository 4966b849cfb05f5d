"""Writing files: all of one, or nothing."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


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
