"""A feature file that grows: complete, or hidden and ready to go on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from asl_mmaction.files.mistakes import FileExistsMistake
from asl_mmaction.files.sidecar import read_sidecar


def difference(out: Path, wanted: Mapping) -> str | None:
    """What a file that is there has been made of instead."""
    found = read_sidecar(out)
    if found is None:
        return 'expected no such file, or one with a sidecar, but it has none'
    for key, value in wanted.items():
        other = found.get(key)
        if other != value and not (isinstance(value, float) and _close(value, other)):
            return f'expected {key} {value} but it was made with {other}'
    return None


def _close(value: float, other: Any) -> bool:
    return isinstance(other, (int, float)) and math.isclose(value, other)


@contextmanager
def locked(part: Path) -> Iterator[IO[bytes]]:
    """The file, unbuffered, for reading and writing; no other process has it."""
    with open(part, 'ab'):
        pass
    with open(part, 'r+b', buffering=0) as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # of POSIX
            pass
        except OSError as error:
            raise FileExistsMistake(
                f'{part}: expected a file that nobody writes but another process does'
            ) from error
        yield file


def resume(file: IO[bytes], dim: int, batch_size: int) -> int:
    """Steps that are there already, in whole batches; the file ends behind them."""
    size = file.seek(0, os.SEEK_END)
    header = write_header(file, 0, dim)
    row = 4 * dim
    done = max(0, size - header) // row // batch_size * batch_size
    file.truncate(header + done * row)
    file.seek(0, os.SEEK_END)
    return done


def write_header(file: IO[bytes], steps: int, dim: int) -> int:
    """That of an .npy file, whose length does not depend on the steps; returns it."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(
        file, {'descr': '<f4', 'fortran_order': False, 'shape': (steps, dim)}
    )
    return file.tell()


def remove_parts(out: Path) -> None:
    """Those of other settings too, which nothing goes on from."""
    for stale in out.parent.glob(f'.{_escaped(out.name)}.*.part'):
        stale.unlink()


def _escaped(name: str) -> str:
    return ''.join(f'[{letter}]' if letter in '*?[' else letter for letter in name)
