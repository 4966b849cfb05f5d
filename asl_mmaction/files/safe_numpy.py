"""What stands for NumPy's own names in a pickle: it makes arrays of numbers and nothing else.

A pickle calls what it names, with whatever it likes, and NumPy's own functions trust that: a forged
dtype makes them take numbers for addresses. Checkpoints and feature files get these instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pickle import UnpicklingError
from typing import Any

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake


class RefusedPickleError(ValueMistake, UnpicklingError):
    """A pickle holds what is not read; nothing of it has been run."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f'expected a pickle of arrays, lists and numbers only but got {found}, which is refused'
        )


class Dtype:
    """Stands for ``numpy.dtype``: numbers of one kind and size, in one byte order."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not re.fullmatch(r'[fiub]\d{1,2}', code):
            raise RefusedPickleError(f'an array of {code!r}')
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class Array(np.ndarray):
    """Stands for ``numpy.ndarray``: made empty, and filled once."""

    def __new__(cls, *_: Any) -> Array:
        raise RefusedPickleError('an array of a buffer')

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, content = state
        _check(dtype, content)
        super().__setstate__((1, shape, dtype.dtype, is_fortran, content))

    def __reduce__(self) -> str | tuple:  # saved again, it is a plain array
        return np.asarray(self).__reduce__()


def _check(dtype: Any, content: Any) -> None:
    # An array for content could be filled anew, and its memory be gone, while another looks at it.
    if not (isinstance(dtype, Dtype) and isinstance(content, (bytes, bytearray))):
        raise RefusedPickleError(f'an array of {dtype!r} in {type(content).__name__}')


def _reconstruct(*_: Any) -> Array:
    return np.ndarray.__new__(Array, 0)


def _from_buffer(
    content: bytes | bytearray,
    dtype: Dtype,
    shape: Sequence[int],
    order: Any,
    axis_order: Sequence[int] | None = None,
) -> np.ndarray:
    _check(dtype, content)
    array = np.frombuffer(content, dtype.dtype)
    if axis_order is not None:  # NumPy 2.3 and later
        return array.reshape(shape).transpose(axis_order)
    return array.reshape(shape, order=order)


def _scalar(dtype: Dtype, content: bytes) -> np.generic:
    _check(dtype, content)
    return np.frombuffer(content, dtype.dtype)[0]


#: Name in a pickle -> what stands for it. NumPy 1 wrote ``numpy.core``, NumPy 2 ``numpy._core``.
STAND_INS: dict[str, Callable] = {
    'numpy.ndarray': Array,
    'numpy.dtype': Dtype,
    **{
        f'{package}.{name}': function
        for package in ('numpy.core', 'numpy._core')
        for name, function in (
            ('multiarray._reconstruct', _reconstruct),
            ('multiarray.scalar', _scalar),
            ('numeric._frombuffer', _from_buffer),
        )
    },
}
