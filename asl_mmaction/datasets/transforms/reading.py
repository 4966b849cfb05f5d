"""Feature files of all formats -> arrays. Nothing that a file holds is ever executed."""

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from mmengine.fileio import get

#: A path, or the bytes that a storage backend has given.
File = str | io.BytesIO


def read_feature(path: str, key: str | None = None, backend_args: dict | None = None) -> np.ndarray:
    """Open a feature file; its extension tells the format.

    ``.npy``, uncompressed ``.h5`` and ``.pt`` files on a local disk are mapped: what is not used
    is not read.

    Args:
        path: ``.npy``, ``.npz``, ``.pt`` / ``.pth``, ``.pkl`` / ``.pickle``, ``.h5`` / ``.hdf5`` or
            ``.csv`` (with or without a header row).
        key: Name of the array in a file that holds several; a path in an HDF5 file.
        backend_args: Of :func:`mmengine.fileio.get`; None = the local disk.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: An HDF5 file, but ``h5py`` is not installed.
        ValueError: Unknown or unreadable format, more than arrays of numbers in it, no such key.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension not in READERS:
        raise ValueError(f'expected one of {", ".join(READERS)} but got {extension!r}')
    if backend_args is not None:
        file = io.BytesIO(get(path, backend_args=backend_args))
    elif os.path.isfile(path):
        file = path
    else:
        raise FileNotFoundError('no such feature file')
    try:
        return READERS[extension](file, key)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _choose(keys: Iterable[Any], key: str | None) -> Any:
    keys = list(keys)
    if key is None and len(keys) == 1:
        return keys[0]
    if key not in keys:
        shown = sorted(map(str, keys))
        more = f' and {len(shown) - 8} others' if len(shown) > 8 else ''
        raise ValueError(f'expected key {key!r} but got {shown[:8]}{more}')
    return key


def _read_npy(file: File, key: str | None) -> np.ndarray:
    mode = 'r' if isinstance(file, str) else None
    return np.load(file, mmap_mode=mode, allow_pickle=False)


def _read_npz(file: File, key: str | None) -> np.ndarray:
    with np.load(file, allow_pickle=False) as arrays:
        return arrays[_choose(arrays.files, key)]


def _read_pt(file: File, key: str | None) -> np.ndarray:
    mmap = isinstance(file, str) and zipfile.is_zipfile(file)
    try:
        content = torch.load(file, map_location='cpu', weights_only=True, mmap=mmap)
    except Exception as error:  # what a broken or malicious pickle raises is not bounded
        raise ValueError('expected a readable file that holds tensors only') from error
    if isinstance(content, dict):
        content = content[_choose(content, key)]
    if not isinstance(content, torch.Tensor):
        raise ValueError(f'expected a tensor but got {type(content).__name__}')
    if content.dtype == torch.bfloat16:  # numpy has none
        content = content.float()
    return content.detach().numpy()


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays, numbers, strings and containers; refuses every other name before it is run."""

    _rebuild, _scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    _from_buffer = np.zeros(1).__reduce_ex__(5)[0]
    allowed = {
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        ('numpy.core.multiarray', '_reconstruct'): _rebuild,
        ('numpy._core.multiarray', '_reconstruct'): _rebuild,
        ('numpy.core.multiarray', 'scalar'): _scalar,
        ('numpy._core.multiarray', 'scalar'): _scalar,
        ('numpy.core.numeric', '_frombuffer'): _from_buffer,
        ('numpy._core.numeric', '_frombuffer'): _from_buffer,
        ('collections', 'OrderedDict'): OrderedDict,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('_codecs', 'encode'):  # how protocol 2 writes bytes
            return _encode_latin1
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(
                f'it names {module}.{name}, which is refused; save the array as .npy instead'
            )
        return self.allowed[module, name]


def _encode_latin1(text: str, encoding: str) -> bytes:
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'it encodes as {encoding!r}, which is refused')
    return text.encode('latin1')


def _read_pkl(file: File, key: str | None) -> np.ndarray:
    stream = open(file, 'rb') if isinstance(file, str) else file  # noqa: SIM115
    with stream:
        try:
            content = _ArrayUnpickler(stream).load()
        except Exception as error:  # what a broken or malicious pickle raises is not bounded
            raise ValueError(
                f'expected a readable pickle of arrays, lists and numbers only: {error}'
            ) from error
    if isinstance(content, dict):
        content = content[_choose(content, key)]
    return np.asarray(content)


def _read_h5(file: File, key: str | None) -> np.ndarray:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            'expected h5py, which reads .h5 files, but it is not installed: pip install h5py'
        ) from error
    try:
        with h5py.File(file, 'r') as content:
            name = key if key is not None and key in content else _choose(content, key)
            dataset = content[name]
            if not isinstance(dataset, h5py.Dataset):
                raise ValueError(f'expected key {name!r} to be a dataset but it is a group')
            offset = dataset.id.get_offset()  # None if it is in chunks, or compressed
            if isinstance(file, str) and offset is not None and dataset.dtype.isnative:
                return np.memmap(file, dataset.dtype, 'r', offset, dataset.shape)
            return dataset[()]
    except OSError as error:
        raise ValueError(f'expected a readable HDF5 file: {error}') from error


def _read_csv(file: File, key: str | None) -> np.ndarray:
    stream = open(file, 'rb') if isinstance(file, str) else file  # noqa: SIM115
    with stream:
        lines = stream.read().decode('utf-8-sig').splitlines()
    try:
        np.array(lines[0].split(','), dtype=np.float64) if lines else None
    except ValueError:
        lines = lines[1:]  # a header
    if not lines:
        raise ValueError('expected rows of numbers but got none')
    return np.loadtxt(lines, dtype=np.float32, delimiter=',', ndmin=2)


READERS: dict[str, Callable[[File, str | None], np.ndarray]] = {
    '.npy': _read_npy,
    '.npz': _read_npz,
    '.pt': _read_pt,
    '.pth': _read_pt,
    '.pkl': _read_pkl,
    '.pickle': _read_pkl,
    '.h5': _read_h5,
    '.hdf5': _read_h5,
    '.csv': _read_csv,
}
