import io
import os
import pickle
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.fileio.backends import BaseStorageBackend, backends

from asl_mmaction.files import features
from asl_mmaction.files.features import read_feature, read_form
from asl_mmaction.files.reading import in_context

FEATURE = np.arange(21, dtype=np.float32).reshape(7, 3)


def load(path, key=None, **options):
    """As its users do: the path goes before what is raised."""
    with in_context(str(path)):
        return read_feature(str(path), key, **options)


@pytest.fixture
def npy(tmp_path):
    def save(array, allow_pickle=False):
        np.save(tmp_path / 'x.npy', array, allow_pickle=allow_pickle)
        return tmp_path / 'x.npy'

    return save


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def save_pt(path, content):
    torch.save(content, path)
    return path


def test_npy_is_mapped_and_not_copied(npy):
    feature = load(npy(FEATURE))
    assert isinstance(feature, np.memmap)
    assert isinstance(feature[2:4], np.memmap)
    np.testing.assert_array_equal(feature, FEATURE)


def test_npz(tmp_path):
    one = save_npz(tmp_path / 'one.npz', feats=FEATURE)
    np.testing.assert_array_equal(load(one), FEATURE)
    np.testing.assert_array_equal(load(one, key='feats'), FEATURE)
    two = save_npz(tmp_path / 'two.npz', feats=FEATURE, other=FEATURE + 1)
    np.testing.assert_array_equal(load(two, key='other'), FEATURE + 1)
    for key, message in ((None, 'one array, or key= of LoadFeature .*'), ('x', "key 'x'")):
        with pytest.raises(ValueError, match=rf"two.npz: expected {message} but got \['feats'"):
            load(two, key=key)


@pytest.mark.parametrize('dtype', ['<f4', '>f8', '<f2', '<i8'])
def test_the_form_of_a_file_is_that_of_its_feature(npy, tmp_path, dtype):
    feature = FEATURE.astype(dtype)
    np.savez_compressed(tmp_path / 'x.npz', f=feature, g=feature.T)
    paths = [(npy(feature), None), (tmp_path / 'x.npz', 'f'), (tmp_path / 'x.npz', 'g')]
    h5py = pytest.importorskip('h5py')
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file.create_dataset('f/g', data=feature, chunks=(2, 2), compression='gzip')
    paths.append((tmp_path / 'x.h5', 'f/g'))
    for path, key in paths:
        whole = load(path, key)
        assert read_form(str(path), key) == (whole.shape, whole.dtype)


def test_the_form_of_an_archive_is_told_without_its_numbers(tmp_path, monkeypatch):
    path = save_npz(tmp_path / 'x.npz', f=FEATURE)
    for extension in ('.npz', '.h5'):  # the readers would raise
        monkeypatch.setitem(features.READERS, extension, None)
    assert read_form(str(path)) == ((7, 3), np.float32)
    h5py = pytest.importorskip('h5py')
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['f'] = FEATURE
    assert read_form(str(tmp_path / 'x.h5')) == ((7, 3), np.float32)


def test_a_file_without_a_form_is_told_as_its_reader_does(tmp_path):
    two = save_npz(tmp_path / 'two.npz', a=FEATURE, b=FEATURE)
    with pytest.raises(ValueError, match='expected one array, or key= of LoadFeature'):
        read_form(str(two))
    objects = save_npz(tmp_path / 'objects.npz', a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match='one that is cut short, damaged or holds more than'):
        read_form(str(objects))
    (tmp_path / 'x.npz').write_bytes(b'PK\x03\x04 not a zip')
    with pytest.raises(ValueError, match=r'expected a readable \.npz file but got'):
        read_form(str(tmp_path / 'x.npz'))
    with pytest.raises(FileNotFoundError, match='expected a feature file but got'):
        read_form(str(tmp_path / 'none.h5'))


@pytest.mark.parametrize(('count', 'more'), [(8, ''), (9, ' and 1 others'), (20, ' and 12 others')])
def test_of_many_arrays_some_are_named(tmp_path, count, more):
    many = save_npz(tmp_path / 'many.npz', **{f'f{i:02}': FEATURE for i in range(count)})
    with pytest.raises(ValueError, match=rf"got \['f00', .*, 'f07'\]{more}$"):
        load(many)


def test_pt(tmp_path):
    tensor = torch.from_numpy(FEATURE)
    np.testing.assert_array_equal(load(save_pt(tmp_path / 'a.pt', tensor)), FEATURE)
    held = save_pt(tmp_path / 'b.pt', {'f': tensor.bfloat16().requires_grad_(), 'g': tensor + 1})
    np.testing.assert_array_equal(load(held, key='f'), FEATURE)
    np.testing.assert_array_equal(load(held, key='g'), FEATURE + 1)
    with pytest.raises(ValueError, match='expected a tensor but got list'):
        load(save_pt(tmp_path / 'c.pt', [tensor]))


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickles_are_refused_and_not_run(npy, tmp_path):
    harm = str(tmp_path / 'harm')
    with pytest.raises(ValueError, match=r'x.npy: '):
        load(npy(np.array([Harmful(harm)], dtype=object), allow_pickle=True))
    with pytest.raises(ValueError, match=r'h.pt: expected a readable .pt file but got one that'):
        load(save_pt(tmp_path / 'h.pt', {'f': Harmful(harm)}))
    (tmp_path / 'p.pt').write_bytes(pickle.dumps(Harmful(harm)))
    with pytest.raises(ValueError, match=r'p.pt: expected a readable .pt file but got one that'):
        load(tmp_path / 'p.pt')
    archive = tmp_path / 'h.npz'
    np.savez(archive, f=np.array([Harmful(harm)], dtype=object))
    with pytest.raises(ValueError, match=r'h.npz: '):
        load(archive)
    assert not os.path.exists(harm)


@pytest.mark.parametrize('name', ['x.npy', 'x.npz', 'x.pt', 'x.pkl', 'x.h5'])
@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 not a zip', b'abc'])
def test_broken_files(tmp_path, name, content):
    if name.endswith('.h5'):
        pytest.importorskip('h5py')
    (tmp_path / name).write_bytes(content)
    kind = os.path.splitext(name)[1]
    with pytest.raises(ValueError, match=rf'{name}: expected a readable {kind} file but '):
        load(tmp_path / name)


def broken(name):
    """Files as they come out of failed downloads, wrong names and other programs."""
    buffer = io.BytesIO()
    if name.endswith('.npy'):
        np.save(buffer, FEATURE)
    elif name.endswith('.npz'):
        np.savez_compressed(buffer, a=np.zeros((7, 3)) + FEATURE)
    elif name.endswith('.pt'):
        torch.save(torch.from_numpy(FEATURE), buffer)
    else:
        pickle.dump(FEATURE, buffer)
    whole = buffer.getvalue()
    middle = len(whole) // 3
    yield whole[: 2 * middle]
    yield b'<!DOCTYPE html><html>404</html>'
    if name.endswith('.npz'):  # zlib's error, and a checksum that is wrong
        yield whole[:60] + bytes([255] * 30) + whole[90:]


@pytest.mark.parametrize('name', ['x.npy', 'x.npz', 'x.pt', 'x.pkl'])
def test_a_broken_file_is_told_in_words_of_our_own(tmp_path, name):
    for content in broken(name):
        (tmp_path / name).write_bytes(content)
        for given in (None, {'backend': 'local'}):
            with pytest.raises(ValueError, match=rf'{name}: expected a readable') as error:
                load(tmp_path / name, backend_args=given)
            assert ' but got ' in str(error.value)
            assert 'allow_pickle' not in str(error.value)
            assert 'weights_only' not in str(error.value)


def test_one_form_under_the_name_of_another(tmp_path, npy):
    save_npz(tmp_path / 'y.npz', a=FEATURE)
    npy(FEATURE).rename(tmp_path / 'x.npz')
    (tmp_path / 'y.npz').rename(tmp_path / 'y.npy')
    (tmp_path / 'z.csv').write_bytes((tmp_path / 'x.npz').read_bytes())
    for name, form in (('x.npz', '.npy'), ('y.npy', '.npz, .pt'), ('z.csv', '.npy')):
        with pytest.raises(ValueError, match=rf'{name}: .* but got one in the form of {form}'):
            load(tmp_path / name)


def test_tensors_that_numpy_does_not_have(tmp_path):
    tensor = torch.from_numpy(FEATURE)
    eighth = load(save_pt(tmp_path / 'a.pt', tensor.to(torch.float8_e5m2)))
    np.testing.assert_allclose(eighth, FEATURE, rtol=0.13)
    with pytest.raises(ValueError, match=r'expected a dense tensor but got torch.sparse_coo'):
        load(save_pt(tmp_path / 'b.pt', tensor.to_sparse()))


def test_what_is_no_array_in_a_file_that_can_be_read(tmp_path):
    with zipfile.ZipFile(tmp_path / 'x.npz', 'w') as archive:
        archive.writestr('readme.txt', 'text')
    with pytest.raises(ValueError, match=r'x\.npz: expected an array of numbers but got bytes'):
        load(tmp_path / 'x.npz')
    h5py = pytest.importorskip('h5py')
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['feature'] = h5py.Empty('f4')
    with pytest.raises(ValueError, match=r'x\.h5: expected an array of numbers but got Empty'):
        load(tmp_path / 'x.h5')


def test_a_file_cut_short(npy):
    path = npy(FEATURE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r'x.npy: '):
        load(path)


def test_missing_files_and_unknown_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no.npy, which does not exist$'):
        load(tmp_path / 'no.npy')
    (tmp_path / 'cafe\u0301.npy').touch()
    if not (tmp_path / 'caf\u00e9.npy').exists():  # a file system may take the one for the other
        with pytest.raises(FileNotFoundError, match=r"which does not exist; 'cafe\\u0301.npy' is"):
            load(tmp_path / 'caf\u00e9.npy')
    with pytest.raises(ValueError, match=r"expected one of .npy, .npz, .pt, .* but got '.mat'"):
        load(tmp_path / 'x.mat')


def save_pkl(path, content, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize('protocol', range(6))
def test_pkl(tmp_path, protocol):
    path = tmp_path / 'x.pkl'
    for content in (FEATURE, FEATURE.tolist(), list(FEATURE), np.asfortranarray(FEATURE)):
        np.testing.assert_array_equal(load(save_pkl(path, content, protocol)), FEATURE)
    held = OrderedDict(slow=FEATURE, fast=FEATURE + 1, fps=np.float64(3))
    np.testing.assert_array_equal(load(save_pkl(path, held, protocol), key='fast'), FEATURE + 1)
    with pytest.raises(ValueError, match=r"x.pkl: expected one array, .* but got \['fast', 'fps'"):
        load(path)


@pytest.mark.parametrize('protocol', range(6))
def test_pickles_of_tensors(tmp_path, protocol):
    """As mmaction2's clip_feature_extraction writes them, under the name of the video."""
    path = tmp_path / 'x.mp4.pkl'
    tensor = torch.from_numpy(FEATURE)
    turned = tensor.T.contiguous().T  # not contiguous
    part = torch.cat([tensor, tensor])[3:10]  # from the middle of its numbers
    for content in (tensor, turned, tensor.double(), tensor.requires_grad_(), [*tensor.detach()]):
        np.testing.assert_array_equal(load(save_pkl(path, content, protocol)), FEATURE)
    expected = np.concatenate([FEATURE, FEATURE])[3:10]
    np.testing.assert_array_equal(load(save_pkl(path, part, protocol)), expected)
    half = load(save_pkl(path, tensor.detach().bfloat16(), protocol))
    np.testing.assert_array_equal(half, FEATURE)  # whole numbers below 256


class Forged:
    """Pickled as a call of a function of torch's."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_forged_pickles_of_tensors_are_refused_and_not_run(tmp_path):
    harm = str(tmp_path / 'harm')
    storage = torch.arange(6.0).storage()
    buffer = io.BytesIO()
    torch.save(Harmful(harm), buffer)
    rebuild = torch._utils._rebuild_tensor_v2
    for content in (
        Forged(torch.storage._load_from_bytes, buffer.getvalue()),
        Forged(torch.storage._load_from_bytes, pickle.dumps(Harmful(harm))),
        Forged(rebuild, storage, 0, (7, 3), (3, 1), False, OrderedDict()),  # past the end
        Forged(rebuild, storage, 5, (2, 1), (1, 1), False, OrderedDict()),
        Forged(rebuild, storage, -2, (2, 1), (1, 1), False, OrderedDict()),
        Forged(rebuild, storage, 0, (2, 3), (-3, 1), False, OrderedDict()),
        Forged(rebuild, FEATURE, 0, (2, 3), (3, 1), False, OrderedDict()),
    ):
        with pytest.raises(ValueError, match=r'x.pkl: expected'):
            load(save_pkl(tmp_path / 'x.pkl', content))
    assert not os.path.exists(harm)


def test_pickles_of_more_than_arrays_are_refused_and_not_run(tmp_path):
    harm = str(tmp_path / 'harm')
    harmful = pickle.dumps(Harmful(harm))
    for content in (harmful, pickle.dumps({'a': [FEATURE, Harmful(harm)]})):
        (tmp_path / 'x.pkl').write_bytes(content)
        with pytest.raises(ValueError, match=r'x.pkl: .*but got posix.mkdir, .* refused'):
            load(tmp_path / 'x.pkl', key='a')
    # by ways around: attributes of allowed modules, codecs that are not bytes
    for module, name in (('numpy', 'load'), ('builtins', 'eval'), ('collections', 'namedtuple')):
        (tmp_path / 'x.pkl').write_bytes(f'c{module}\n{name}\n.'.encode())
        with pytest.raises(ValueError, match=f'but got {module}.{name}, which is refused'):
            load(tmp_path / 'x.pkl')
    (tmp_path / 'x.pkl').write_bytes(b'c_codecs\nencode\n(Vabc\nVrot13\ntR.')
    with pytest.raises(ValueError, match="encoded as 'rot13', which is refused"):
        load(tmp_path / 'x.pkl')
    save_pkl(tmp_path / 'x.pkl', torch.nn.Parameter(torch.zeros(7, 3)))
    with pytest.raises(ValueError, match=r'but got torch.*; save the array as .npy instead'):
        load(tmp_path / 'x.pkl')
    save_pkl(tmp_path / 'x.pkl', [[1, 2, 3], [4]])
    with pytest.raises(ValueError, match=r'x.pkl: expected a readable .pkl file but got'):
        load(tmp_path / 'x.pkl')
    assert not os.path.exists(harm)


class Reduced:
    """Pickled as what it is told to be."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


def forged_dtype(code='V8'):
    """A type that says it holds no object, and does."""
    return Reduced(
        np.dtype, (code, False, True), (3, '|', None, ('a',), {'a': (np.dtype('O'), 0)}, 8, 8, 0)
    )


@pytest.mark.parametrize('dtype', [forged_dtype(), np.dtype('O'), np.dtype('V8'), np.dtype('U2')])
@pytest.mark.parametrize('way', ['state', 'buffer', 'scalar'])
def test_bytes_of_a_pickle_are_never_taken_for_objects(tmp_path, dtype, way):
    empty, buffered = np.zeros(0).__reduce__()[0], np.zeros(1).__reduce_ex__(5)[0]
    content = b'\x41' * 32
    array = {
        'state': Reduced(empty, (np.ndarray, (0,), b'b'), (1, (4,), dtype, False, content)),
        'buffer': Reduced(buffered, (content, dtype, (4,), 'C')),
        'scalar': Reduced(np.float64(0).__reduce__()[0], (dtype, content[:8])),
    }[way]
    save_pkl(tmp_path / 'x.pkl', [array, array], 2)
    with pytest.raises(ValueError, match=r'x.pkl: expected a pickle .* but got an array of'):
        load(tmp_path / 'x.pkl')


def test_a_pickle_that_holds_less_than_it_says(tmp_path):
    empty = np.zeros(0).__reduce__()[0]
    state = (1, (400,), np.dtype('f8'), False, bytes(24))
    save_pkl(tmp_path / 'x.pkl', Reduced(empty, (np.ndarray, (0,), b'b'), state), 2)
    with pytest.raises(ValueError, match=r'x.pkl: expected a readable .pkl file but got'):
        load(tmp_path / 'x.pkl')
    save_pkl(tmp_path / 'x.pkl', np.asarray(FEATURE, '>f2'))
    np.testing.assert_array_equal(load(tmp_path / 'x.pkl'), FEATURE)


def test_h5(tmp_path):
    h5py = pytest.importorskip('h5py')
    path = tmp_path / 'x.h5'
    with h5py.File(path, 'w') as file:
        file['vid'] = FEATURE
        file['other/feats'] = FEATURE + 1
        file.create_dataset('packed', data=FEATURE + 2, compression='gzip')
        file.create_dataset('big', data=(FEATURE + 3).astype('>f4'))
    feature = load(path, key='vid')
    assert isinstance(feature, np.memmap)
    np.testing.assert_array_equal(feature, FEATURE)
    for key, offset in (('other/feats', 1), ('packed', 2), ('big', 3)):
        np.testing.assert_array_equal(load(path, key=key), FEATURE + offset)
    with pytest.raises(ValueError, match=r"x.h5: expected key 'no' but got \['big', 'other', "):
        load(path, key='no')
    with pytest.raises(ValueError, match="expected key 'other' to be a dataset but it is a group"):
        load(path, key='other')
    with h5py.File(path, 'w') as file:  # on disk they are addresses, not to be mapped
        file.create_dataset('vid', data=['a', 'b', 'c'], dtype=h5py.string_dtype())
    with pytest.raises(ValueError, match=r'expected numbers but got object'):
        read_feature(str(path))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match=r'x.h5: expected a readable .h5 file but got one that'):
        load(path)


def test_h5_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'h5py', None)
    (tmp_path / 'x.h5').write_bytes(b'')
    with pytest.raises(ImportError, match=r'x.h5: expected h5py.* pip install h5py'):
        load(tmp_path / 'x.h5')


def test_csv(tmp_path):
    rows = '\n'.join(','.join(map(str, row)) for row in FEATURE)
    path = tmp_path / 'x.csv'
    for text in (rows, f'{rows}\n', f'f0,f1,f2\n{rows}\n', f'\ufefff0,f1,f2\r\n{rows}'):
        path.write_text(text, encoding='utf-8')
        np.testing.assert_array_equal(load(path), FEATURE)
    path.write_text('1,2,3\n')
    np.testing.assert_array_equal(load(path), [[1, 2, 3]])
    for text in ('', 'f0,f1,f2\n'):
        path.write_text(text)
        with pytest.raises(ValueError, match='expected rows of numbers but got none'):
            load(path)


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('1,2,3\n1,x,3\n', "3 in each line, but got line 2: '1,x,3'"),
        ('f0,f1,f2\n\n1,2,3\n1,2\n', "3 in each line, but got line 4: '1,2'"),
        (',2,3\n1,2,3\n', "3 in each line, but got line 1: ',2,3'"),
        ('1,2,?\n1,2,3\n', "3 in each line, but got line 1: '1,2,\\?'"),
        ('1;2;3\n4;5;6', "1 in each line, but got line 2: '4;5;6'"),
    ],
)
def test_a_wrong_line_of_a_csv_is_named_and_none_is_lost(tmp_path, text, line):
    (tmp_path / 'x.csv').write_text(text)
    with pytest.raises(ValueError, match=rf'x.csv: expected numbers with commas .*{line}'):
        load(tmp_path / 'x.csv')


def test_headers_of_a_csv(tmp_path):
    for header in ('0,1,2', 'f0,f1,f2', '"a","b","c"', '# a 1,b 2', '# one\n# two'):
        (tmp_path / 'x.csv').write_text(f'{header}\n4,5,6\n7,8,9\n')
        np.testing.assert_array_equal(load(tmp_path / 'x.csv'), [[4, 5, 6], [7, 8, 9]])
    for first in ('0.0,1.0,2.0', '1,2,3', 'nan,1,2'):
        (tmp_path / 'x.csv').write_text(f'{first}\n4,5,6\n')
        assert len(load(tmp_path / 'x.csv')) == 2
    (tmp_path / 'x.csv').write_text('0\n4\n')
    np.testing.assert_array_equal(load(tmp_path / 'x.csv'), [[0], [4]])


def test_pt_is_mapped(tmp_path, monkeypatch):
    mapped, original = [], torch.load

    def spy(*args, **kwargs):
        mapped.append(kwargs['mmap'])
        return original(*args, **kwargs)

    monkeypatch.setattr(torch, 'load', spy)
    tensor = torch.from_numpy(FEATURE)
    np.testing.assert_array_equal(load(save_pt(tmp_path / 'x.pt', tensor))[2:4], FEATURE[2:4])
    torch.save(tensor, tmp_path / 'old.pt', _use_new_zipfile_serialization=False)
    np.testing.assert_array_equal(load(tmp_path / 'old.pt'), FEATURE)  # cannot be mapped
    assert mapped == [True, False]


def test_storage_backends(tmp_path, npy, monkeypatch):
    class Shelf(BaseStorageBackend):
        def __init__(self, folder):
            self.folder = folder

        def get(self, filepath):
            return (tmp_path / filepath.replace('shelf:', '')).read_bytes()

        def get_text(self, filepath):
            raise NotImplementedError

    monkeypatch.setitem(backends, 'shelf', Shelf)
    npy(FEATURE)
    save_npz(tmp_path / 'x.npz', feats=FEATURE)
    save_pt(tmp_path / 'x.pt', torch.from_numpy(FEATURE))
    save_pkl(tmp_path / 'x.pkl', FEATURE)
    (tmp_path / 'x.csv').write_text('\n'.join(','.join(map(str, row)) for row in FEATURE))
    for name in ('x.npy', 'x.npz', 'x.pt', 'x.pkl', 'x.csv'):
        feature = load(f'shelf:{name}', backend_args={'backend': 'shelf', 'folder': 'any'})
        np.testing.assert_array_equal(feature, FEATURE)
