"""The stand-ins alone; test_compat.py has them in checkpoints, test_features.py in features."""

import io
import pickle

import numpy as np
import pytest

from asl_mmaction.files.safe_numpy import STAND_INS, RefusedPickleError

CUBE = np.arange(24, dtype=np.float64).reshape(2, 3, 4)


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ('_codecs', 'encode'):
            return lambda text, encoding: text.encode(encoding)
        return STAND_INS[f'{module}.{name}']


def load(content):
    return Unpickler(io.BytesIO(content)).load()


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize(
    'array',
    [
        CUBE,
        np.asfortranarray(CUBE),
        CUBE.transpose(1, 0, 2),
        CUBE.astype('>f4'),
        CUBE > 3,
        CUBE.astype(np.uint8),
        np.array(7, dtype=np.int16),
        np.float16(1.5),
        np.bool_(True),
    ],
)
def test_numbers_come_back_as_numpy_reads_them(array, protocol):
    found = load(pickle.dumps(array, protocol))
    expected = pickle.loads(pickle.dumps(array, protocol))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)
    again = pickle.loads(pickle.dumps(found, protocol))  # of NumPy's own types alone
    assert type(again) is type(expected)
    np.testing.assert_array_equal(again, expected)


def test_names_of_numpy_1():
    content = pickle.dumps(CUBE, 4).replace(
        b'\x16numpy._core.multiarray', b'\x15numpy.core.multiarray'
    )
    assert b'numpy.core.multiarray' in content
    content = content[:3] + (len(content) - 11).to_bytes(8, 'little') + content[11:]  # of the frame
    np.testing.assert_array_equal(load(content), CUBE)


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('array', [np.array([None]), np.array(['a']), np.zeros(1, [('a', 'f8')])])
def test_what_is_no_number_is_refused(array, protocol):
    with pytest.raises(RefusedPickleError, match=r'but got an array of .*, which is refused'):
        load(pickle.dumps(array, protocol))


def test_an_array_is_never_made_of_the_memory_of_another():
    array = load(pickle.dumps(CUBE, 4))
    dtype = load(pickle.dumps(CUBE.dtype, 4))
    make, scalar = (
        STAND_INS[f'numpy._core.{n}'] for n in ('numeric._frombuffer', 'multiarray.scalar')
    )
    for call in (
        lambda: make(array, dtype, (24,), 'C'),
        lambda: scalar(dtype, array),
        lambda: make(bytes(8), np.dtype('O'), (1,), 'C'),
        lambda: STAND_INS['numpy.ndarray']((24,), dtype, array),
        lambda: array.__setstate__((1, (24,), dtype, False, memoryview(array))),
    ):
        with pytest.raises(RefusedPickleError):
            call()
