"""Feature files of all formats -> arrays. Nothing that a file holds is ever executed."""

import io
import os
import pickle
import reprlib
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import IO, Any

import numpy as np
import torch
from mmengine.fileio import get

from asl_mmaction.files.mistakes import FileMistake, PackageMistake, ValueMistake
from asl_mmaction.files.reading import check_file
from asl_mmaction.files.safe_numpy import STAND_INS, RefusedPickleError

#: A path, or the bytes that a storage backend has given.
File = str | io.BytesIO
#: First bytes of a file -> what it is, whatever its name.
SIGNATURES = {
    b'\x93NUMPY': '.npy',
    b'PK\x03\x04': '.npz, .pt or .pth',
    b'\x89HDF\r\n\x1a\n': '.h5 or .hdf5',
}


class UnfitFeatureError(ValueMistake):
    """What a file holds is no feature; told in words of our own."""


def read_feature(
    path: str,
    key: str | None = None,
    backend_args: dict | None = None,
    *,
    csv_header: bool | None = None,
    say: Callable[[str], None] = lambda guess: None,
) -> np.ndarray:
    """Open a feature file; its extension tells the format.

    ``.npy``, uncompressed ``.h5`` and ``.pt`` files on a local disk are mapped: what is not used
    is not read.

    Args:
        path: ``.npy``, ``.npz``, ``.pt`` / ``.pth``, ``.pkl`` / ``.pickle``, ``.h5`` / ``.hdf5`` or
            ``.csv`` (with or without a header row).
        key: Name of the array in a file that holds several; a path in an HDF5 file.
        backend_args: Of :func:`mmengine.fileio.get`; None = the local disk.
        csv_header: Whether the first row of a ``.csv`` file names the columns; None = by its look:
            no number, or the numbers of the columns, counted from 0.
        say: Called with a sentence on what had to be guessed.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: An HDF5 file, but ``h5py`` is not installed.
        ValueError: Unknown or unreadable format, more than arrays of numbers in it, no such key.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension not in (*READERS, '.csv'):
        raise ValueMistake(f'expected one of {", ".join(READERS)}, .csv but got {extension!r}')
    if backend_args is None:
        check_file(path, 'a feature file')
        file: str | io.BytesIO = path
    else:
        try:
            file = io.BytesIO(get(path, backend_args=backend_args))
        except FileNotFoundError as error:
            raise FileMistake(f'expected a feature file but got {path}: {error}') from error
    try:
        if extension == '.csv':
            feature = _read_csv(file, csv_header, say)
        else:
            feature = READERS[extension](file, key)
    except (ImportError, UnfitFeatureError):
        raise
    except Exception as error:  # a reader may raise anything at a broken or malicious file
        raise UnfitFeatureError(
            f'expected a readable {extension} file but got {_describe(file, extension)}'
        ) from error
    if not isinstance(feature, np.ndarray):  # such as the bytes of another file in a zip
        raise UnfitFeatureError(f'expected an array of numbers but got {type(feature).__name__}')
    return feature


def read_form(path: str, key: str | None = None) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of a feature, as :func:`read_feature` would give it.

    Of ``.npz`` and ``.h5`` files the header tells them; those that are mapped are not read either.

    Args:
        path, key: See :func:`read_feature`, which also says what is wrong with a file.
    """
    header = HEADERS.get(os.path.splitext(path)[1].lower())
    if header is not None:
        with suppress(Exception):  # whatever it is: the reader has the words for it
            shape, dtype = header(path, key)
            if dtype.kind in 'fiu':
                return shape, dtype
    feature = read_feature(path, key)
    return feature.shape, feature.dtype


def _npz_header(path: str, key: str | None) -> tuple[tuple[int, ...], np.dtype]:
    with zipfile.ZipFile(path) as archive:
        name = _choose([name.removesuffix('.npy') for name in archive.namelist()], key)
        with archive.open(f'{name}.npy') as stream:
            # of the versions of the form, 3.0 has names of columns in UTF-8
            old = np.lib.format.read_magic(stream) == (1, 0)
            form = np.lib.format
            read = form.read_array_header_1_0 if old else form.read_array_header_2_0
            shape, _, dtype = read(stream)
    return shape, dtype


def _h5_header(path: str, key: str | None) -> tuple[tuple[int, ...], np.dtype]:
    import h5py

    with h5py.File(path, 'r') as content:
        dataset = content[key if key is not None and key in content else _choose(content, key)]
        return dataset.shape, dataset.dtype


def _opened(file: File) -> AbstractContextManager[IO[bytes]]:
    return open(file, 'rb') if isinstance(file, str) else nullcontext(file)


def _describe(file: File, extension: str) -> str:
    """What a file is that could not be read. What the readers say of it is for programmers."""
    try:
        with _opened(file) as stream:
            stream.seek(0)
            head = stream.read(32)
    except OSError as error:
        return f'an error of the system: {error.strerror}'
    if not head:
        return 'an empty one'
    for signature, kind in SIGNATURES.items():
        if head.startswith(signature) and extension not in kind:
            return f'one in the form of {kind}'
    if head.lstrip().startswith(b'<'):
        return f'a page of the web: {head!r}'
    return 'one that is cut short, damaged or holds more than arrays of numbers'


def _choose(keys: Iterable[Any], key: str | None) -> Any:
    keys = list(keys)
    if key is None and len(keys) == 1:
        return keys[0]
    if key not in keys:
        shown = sorted(map(str, keys))
        more = f' and {len(shown) - 8} others' if len(shown) > 8 else ''
        one = 'one array, or key= of LoadFeature (--key of from_csv.py) to choose one,'
        what = one if key is None else f'key {key!r}'
        raise UnfitFeatureError(f'expected {what} but got {shown[:8]}{more}')
    return key


def _read_npy(file: File, key: str | None) -> np.ndarray:
    if isinstance(file, str):
        return np.lib.format.open_memmap(file, mode='r')
    return np.lib.format.read_array(file, allow_pickle=False)


def _read_npz(file: File, key: str | None) -> np.ndarray:
    with np.load(file, allow_pickle=False) as arrays:
        return arrays[_choose(arrays.files, key)]


def _read_pt(file: File, key: str | None) -> np.ndarray:
    mmap = isinstance(file, str) and zipfile.is_zipfile(file)
    content = torch.load(file, map_location='cpu', weights_only=True, mmap=mmap)
    if isinstance(content, dict):
        content = content[_choose(content, key)]
    if not isinstance(content, torch.Tensor):
        raise UnfitFeatureError(f'expected a tensor but got {type(content).__name__}')
    if content.layout != torch.strided:
        raise UnfitFeatureError(f'expected a dense tensor but got {content.layout}')
    return _as_array(content)


def _as_array(tensor: torch.Tensor) -> np.ndarray:
    if tensor.is_floating_point() and tensor.dtype not in NUMPY_FLOATS:
        tensor = tensor.float()
    return tensor.detach().numpy()


#: Others, as bfloat16, numpy does not have.
NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)


def _encode_latin1(text: str, encoding: str) -> bytes:
    if encoding != 'latin1':
        raise RefusedPickleError(f'text that is encoded as {encoding!r}')
    return text.encode('latin1')


def _load_storage(content: bytes) -> torch.TypedStorage:
    """What a pickled tensor keeps its numbers in: a file of torch's own inside the pickle."""
    storage = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
    if not isinstance(storage, torch.TypedStorage):
        raise RefusedPickleError(f'{type(storage).__name__} in place of the numbers of a tensor')
    return storage


def _rebuild_tensor(
    storage: torch.TypedStorage, offset: int, size: tuple, stride: tuple, *_: Any
) -> np.ndarray:
    if not isinstance(storage, torch.TypedStorage):
        raise RefusedPickleError(f'a tensor of {type(storage).__name__}')
    numbers = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)
    return _as_array(numbers.as_strided(size, stride, offset))  # torch looks that it has them


class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays, numbers, strings and containers; refuses every other name before it is run."""

    allowed = {
        **STAND_INS,
        'collections.OrderedDict': OrderedDict,
        '_codecs.encode': _encode_latin1,  # how protocols 0 to 2 write bytes
        # tensors: mmaction2's clip_feature_extraction writes them
        'torch.storage._load_from_bytes': _load_storage,
        'torch._utils._rebuild_tensor_v2': _rebuild_tensor,
    }

    def find_class(self, module: str, name: str) -> Any:
        found = f'{module}.{name}'
        if found not in self.allowed:
            raise RefusedPickleError(found)
        return self.allowed[found]


def _read_pkl(file: File, key: str | None) -> np.ndarray:
    with _opened(file) as stream:
        try:
            content = _ArrayUnpickler(stream).load()
        except RefusedPickleError as error:
            raise UnfitFeatureError(f'{error}; save the array as .npy instead') from error
    if isinstance(content, dict):
        content = content[_choose(content, key)]
    return np.asarray(content)


def _read_h5(file: File, key: str | None) -> np.ndarray:
    try:
        import h5py
    except ImportError as error:
        raise PackageMistake(
            'expected h5py, which reads .h5 files, but it is not installed: pip install h5py'
        ) from error
    with h5py.File(file, 'r') as content:
        name = key if key is not None and key in content else _choose(content, key)
        dataset = content[name]
        if not isinstance(dataset, h5py.Dataset):
            raise UnfitFeatureError(f'expected key {name!r} to be a dataset but it is a group')
        if dataset.dtype.kind not in 'fiu':  # bytes of others may be addresses
            raise UnfitFeatureError(f'expected numbers but got {dataset.dtype}')
        offset = dataset.id.get_offset()  # None if it is in chunks, or compressed
        if isinstance(file, str) and offset is not None and dataset.dtype.isnative:
            return np.memmap(file, dataset.dtype, 'r', offset, dataset.shape)
        return dataset[()]


def _read_csv(file: File, header: bool | None, say: Callable[[str], None]) -> np.ndarray:
    with _opened(file) as stream:
        lines = enumerate(stream.read().decode('utf-8-sig').splitlines(), 1)
    rows = {number: line for number, line in lines if line.strip() and line[0] != '#'}
    if rows and (_is_header(next(iter(rows.values())), say) if header is None else header):
        del rows[next(iter(rows))]
    if not rows:
        raise UnfitFeatureError('expected rows of numbers but got none')
    try:
        return np.loadtxt(list(rows.values()), dtype=np.float32, delimiter=',', ndmin=2)
    except ValueError as error:
        width = len(next(iter(rows.values())).split(','))
        for number, line in rows.items():
            cells = line.split(',')
            if len(cells) != width or not all(map(_is_number, cells)):
                raise UnfitFeatureError(
                    f'expected numbers with commas between them, {width} in each line, '
                    f'but got line {number}: {reprlib.repr(line)}'
                ) from error
        raise


def _is_header(line: str, say: Callable[[str], None]) -> bool:
    """Names, or the numbers of the columns, as pandas writes them; no row of the recording."""
    cells = line.split(',')
    counted = [[str(first + i) for i in range(len(cells))] for first in (0, 1)]
    if cells not in counted:
        return not any(map(_is_number, cells))
    is_header = cells == counted[0] and len(cells) > 1
    taken = 'the numbers of the columns, not a step' if is_header else 'a step, not a header'
    say(
        f'the first row, {reprlib.repr(line)}, is taken for {taken}; csv_header={is_header} of '
        f'LoadFeature says so, and csv_header={not is_header} the opposite'
    )
    return is_header


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


READERS: dict[str, Callable[[File, str | None], np.ndarray]] = {
    '.npy': _read_npy,
    '.npz': _read_npz,
    '.pt': _read_pt,
    '.pth': _read_pt,
    '.pkl': _read_pkl,
    '.pickle': _read_pkl,
    '.h5': _read_h5,
    '.hdf5': _read_h5,
}

HEADERS = {'.npz': _npz_header, '.h5': _h5_header, '.hdf5': _h5_header}
