"""Write a prepared dataset: all of it, or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from asl_mmaction.files.mistakes import FileExistsMistake, ValueMistake
from asl_mmaction.files.writing import check_file_name, write_json

ANNOTATION_FILE = 'annotations.json'
FEATURE_FOLDER = 'features'
#: Says what made the folder that it is in, and, a line each, which of its files that has made.
#: Anything else in it is the user's own.
MARKER = '.made_by'


def check_training(database: Mapping[str, Mapping]) -> None:
    """Refuse a dataset that nothing can be learned from; one to test on alone is fine.

    Args:
        database: Of the schema of :class:`TALDataset`.

    Raises:
        ValueError: There is no video, or no action in those of the subset ``training``.
    """
    videos = [video for video in database.values() if video['subset'] == 'training']
    if not database:
        raise ValueMistake('expected videos but got none')
    if videos and not any(video['annotations'] for video in videos):
        raise ValueMistake(
            f'expected actions in the videos of subset training but got {len(videos)} videos '
            'without any'
        )


class DatasetWriter:
    """The two kinds of files of a prepared dataset.

    Args:
        root: An existing folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / FEATURE_FOLDER).mkdir()

    def feature(self, video: str, feature: np.ndarray) -> None:
        """Write ``features/<video>.npy``: feature (T, C), stored as float32."""
        path = self.root / FEATURE_FOLDER / f'{check_file_name(video)}.npy'
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.ascontiguousarray(feature, dtype=np.float32))

    def annotations(self, content: dict) -> None:
        """Write ``annotations.json`` (the schema of :class:`TALDataset`).

        Raises:
            ValueError: See :func:`check_training`.
        """
        check_training(content['database'])
        write_json(self.root / ANNOTATION_FILE, content)


@contextmanager
def write_dataset(out: str | os.PathLike, made_by: str) -> Iterator[DatasetWriter]:
    """Write a dataset beside ``out`` and move it there once it is complete.

    Whatever goes wrong inside the ``with`` block, ``out`` stays as it was: absent, empty, or the
    complete dataset that an earlier run of the same program has made, which success replaces.

    Args:
        out: The dataset's folder.
        made_by: The program; only what it has made itself is replaced.

    Yields:
        The writer of the new dataset.

    Raises:
        FileExistsError: ``out`` holds something that ``made_by`` has not made.
    """
    out = Path(out).resolve()
    foreign = sorted(_files(out) - _made(out, made_by))
    if foreign:
        raise FileExistsMistake(
            f'{out}: expected an empty folder, none, or one that {made_by} has made, '
            f'but it holds {foreign[-1]!r} of another origin; it is not replaced'
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f'.{out.name}-', dir=out.parent))
    try:
        fresh = scratch / 'new'
        fresh.mkdir()  # with the user's umask; mkdtemp's own folder is private
        yield DatasetWriter(fresh)
        lines = [made_by, *sorted(_files(fresh))]
        (fresh / MARKER).write_text('\n'.join(lines) + '\n', encoding='utf-8')
        _replace(out, fresh, scratch / 'old')
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _replace(out: Path, fresh: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise


def _made(folder: Path, made_by: str) -> set[str]:
    """The files of a folder that ``made_by`` has made, by the marker in it."""
    marker = folder / MARKER
    text = marker.read_text(encoding='utf-8', errors='replace') if marker.is_file() else ''
    lines = text.splitlines()
    return {MARKER, *lines[1:]} if lines[:1] == [made_by] else set()


def _files(folder: Path) -> set[str]:
    """All files below a folder, and links, as paths from there."""
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise FileExistsMistake(f'{folder}: expected a folder but got a file')
    found = (path for path in folder.rglob('*') if path.is_symlink() or not path.is_dir())
    return {path.relative_to(folder).as_posix() for path in found}


def count_table(
    what: str,
    counts: Iterable[tuple[str, int]],
    whose: str,
    expected: Mapping[str, tuple[int, int]],
) -> str:
    """Counts of each subset beside those that are known.

    Args:
        what: The recordings are called.
        counts: Subset and number of instances of each.
        whose: The known counts are.
        expected: Subset -> recordings and instances that are known.
    """
    pairs = list(counts)
    lines = [f'{"subset":<10}{what:>12}{"instances":>12}   {whose}']
    for subset, (recordings, instances) in expected.items():
        own = [number for name, number in pairs if name == subset]
        lines.append(f'{subset:<10}{len(own):>12}{sum(own):>12}   {recordings} / {instances}')
    return '\n'.join(lines)
