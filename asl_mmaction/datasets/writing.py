"""Write a prepared dataset: all of it, or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from asl_mmaction.structures.files import write_json

#: What a prepared dataset folder holds; anything else in it is the user's own.
ANNOTATION_FILE = 'annotations.json'
FEATURE_FOLDER = 'features'


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
        path = self.root / FEATURE_FOLDER / f'{video}.npy'
        np.save(path, np.ascontiguousarray(feature, dtype=np.float32))

    def annotations(self, content: dict) -> None:
        """Write ``annotations.json`` (the schema of :class:`TALDataset`)."""
        write_json(self.root / ANNOTATION_FILE, content)


@contextmanager
def write_dataset(out: str | os.PathLike) -> Iterator[DatasetWriter]:
    """Write a dataset beside ``out`` and move it there once it is complete.

    Whatever goes wrong inside the ``with`` block, ``out`` stays as it was: absent, or the complete
    dataset of an earlier run, which success replaces.

    Args:
        out: The dataset's folder.

    Yields:
        The writer of the new dataset.

    Raises:
        FileExistsError: ``out`` exists and holds something else than a prepared dataset.
    """
    out = Path(out).resolve()
    foreign = sorted(name for name in _entries(out) if not _is_ours(name))
    if foreign:
        raise FileExistsError(
            f'{out}: expected a prepared dataset, an empty folder or none, '
            f'but it also holds {foreign[0]!r}; it is not replaced'
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f'.{out.name}-', dir=out.parent))
    try:
        fresh = scratch / 'new'
        fresh.mkdir()  # with the user's umask; mkdtemp's own folder is private
        yield DatasetWriter(fresh)
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


def _is_ours(name: str) -> bool:
    """Also of datasets with several annotation files: annotations_verb.json."""
    return name == FEATURE_FOLDER or (name.startswith('annotations') and name.endswith('.json'))


def _entries(folder: Path) -> set[str]:
    if not folder.exists():
        return set()
    if not folder.is_dir():
        raise FileExistsError(f'{folder}: expected a folder but got a file')
    return {entry.name for entry in folder.iterdir()}
