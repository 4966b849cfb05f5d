"""Files of a distribution, unpacked or not."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from asl_mmaction.files.mistakes import ValueMistake


def walk_files(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Every file of a folder or of a zip, those within zips too: its base name, and what reads it.

    Raises:
        ValueError: A zip cannot be read.
    """
    if source.is_dir():
        for path in sorted(source.rglob('*')):
            if path.suffix.lower() == '.zip':
                yield from _walk_zip(_open_zip(path, path))
            elif path.is_file():
                yield path.name, path.read_bytes
    else:
        yield from _walk_zip(_open_zip(source, source))


def _open_zip(file: Path | io.BytesIO, name: str | Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise ValueMistake(
            f'{name}: expected a zip file but got one that cannot be read'
        ) from error


def _walk_zip(archive: zipfile.ZipFile) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for info in archive.infolist():
        if info.filename.lower().endswith('.zip'):
            yield from _walk_zip(_open_zip(io.BytesIO(archive.read(info)), info.filename))
        else:
            yield Path(info.filename).name, partial(archive.read, info)
