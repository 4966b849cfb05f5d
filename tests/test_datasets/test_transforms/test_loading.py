import io
import os
import pickle
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS
from mmengine.fileio.backends import BaseStorageBackend, backends
from torch.utils.data import DataLoader

from asl_mmaction.datasets.transforms import LoadFeature, notices
from asl_mmaction.files.features import read_feature
from asl_mmaction.structures.feature_grid import FeatureGrid

GRID = FeatureGrid(10, 4, 8)
FEATURE = np.arange(21, dtype=np.float32).reshape(7, 3)


def load(path, **settings):
    results = {'video_name': 'vid', 'grid': GRID, 'feature_path': str(path)}
    return LoadFeature(**{'feat_dim': 3, **settings}).transform(results)['feature']


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def save_pt(path, content):
    torch.save(content, path)
    return path


@pytest.fixture
def npy(tmp_path):
    def save(array, allow_pickle=False):
        np.save(tmp_path / 'x.npy', array, allow_pickle=allow_pickle)
        return tmp_path / 'x.npy'

    return save


def test_npy_is_mapped_and_not_copied(npy):
    feature = load(npy(FEATURE))
    assert isinstance(feature, np.memmap)
    assert isinstance(feature[2:4], np.memmap)
    np.testing.assert_array_equal(feature, FEATURE)


def test_a_list_of_one_source(npy):
    feature = load(npy(FEATURE), sources=[{'feat_dim': 3}])
    np.testing.assert_array_equal(feature, FEATURE)


def test_a_list_of_one_file(npy):
    results = {'video_name': 'vid', 'grid': GRID, 'feature_path': [str(npy(FEATURE))]}
    np.testing.assert_array_equal(LoadFeature(feat_dim=3)(results)['feature'], FEATURE)


def test_npz(tmp_path):
    one = save_npz(tmp_path / 'one.npz', feats=FEATURE)
    np.testing.assert_array_equal(load(one), FEATURE)
    np.testing.assert_array_equal(load(one, key='feats'), FEATURE)
    two = save_npz(tmp_path / 'two.npz', feats=FEATURE, other=FEATURE + 1)
    np.testing.assert_array_equal(load(two, key='other'), FEATURE + 1)
    for key, message in ((None, 'one array, or key= of LoadFeature .*'), ('x', "key 'x'")):
        with pytest.raises(ValueError, match=rf"two.npz: expected {message} but got \['feats'"):
            load(two, key=key)


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


def test_channels_first_is_recognised_by_the_width(npy):
    np.testing.assert_array_equal(load(npy(np.ascontiguousarray(FEATURE.T))), FEATURE)
    np.testing.assert_array_equal(load(npy(np.asfortranarray(FEATURE))), FEATURE)


SQUARE = FEATURE[:3]
GUESS = "is taken as (steps, channels); layout='TC' of LoadFeature says so, and layout='CT' the"


def test_the_layout_of_a_square_file_is_a_guess_that_is_said_once(npy, warnings):
    path = npy(SQUARE)
    transform = LoadFeature(feat_dim=3)
    for _ in range(2):
        results = {'video_name': 'vid', 'grid': GRID, 'feature_path': str(path)}
        np.testing.assert_array_equal(transform(results)['feature'], SQUARE)
    (warning,) = warnings()
    assert warning.startswith(f"video 'vid': {path}: a square of 3 x 3 {GUESS}")
    load(path)  # of another data set
    assert len(warnings()) == 2


def test_a_layout_that_is_given_is_no_guess(npy, warnings):
    np.testing.assert_array_equal(load(npy(SQUARE), layout='TC'), SQUARE)
    np.testing.assert_array_equal(load(npy(SQUARE), layout='CT'), SQUARE.T)
    np.testing.assert_array_equal(load(npy(FEATURE.T), layout='CT'), FEATURE)
    part = {'feat_dim': 2, 'channels': (1, 3), 'file_dim': 3}
    np.testing.assert_array_equal(load(npy(SQUARE), layout='CT', **part), SQUARE.T[:, 1:])
    given = load(npy(SQUARE), sources=[{'feat_dim': 3, 'layout': 'CT'}])
    np.testing.assert_array_equal(given, SQUARE.T)
    for layout, shape in (
        ('TC', r'\(T, 3\) but got \(3, 7\)'),
        ('CT', r'\(3, T\) but got \(7, 3\)'),
    ):
        feature = FEATURE.T if layout == 'TC' else FEATURE
        with pytest.raises(ValueError, match=rf"'vid': .*x.npy: expected shape {shape}"):
            load(npy(feature), layout=layout)
    with pytest.raises(ValueError, match="expected layout to be 'TC' or 'CT' but got 'NTC'"):
        LoadFeature(feat_dim=3, layout='NTC')
    np.testing.assert_array_equal(load(npy(np.ones((1, 1))), feat_dim=1), [[1]])  # either way
    assert warnings() == []


def test_an_array_instead_of_a_file():
    results = {'video_name': 'vid', 'grid': GRID, 'feature': FEATURE.T}
    np.testing.assert_array_equal(LoadFeature(feat_dim=3)(results)['feature'], FEATURE)
    results['feature'] = FEATURE[:, :2]
    with pytest.raises(ValueError, match=r"'vid': the feature array: expected shape .*\(7, 2\)"):
        LoadFeature(feat_dim=3)(results)


@pytest.mark.parametrize('shape', [(7, 4), (21,), (1, 7, 3), ()])
def test_wrong_shapes(npy, shape):
    with pytest.raises(ValueError, match=r"'vid': .*x.npy: expected shape \(T, 3\) or \(3, T\)"):
        load(npy(np.zeros(shape)))


def test_empty_features(npy):
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match=r'x.npy: expected at least one step'):
            load(npy(np.zeros(shape)))


def test_not_numbers(npy):
    with pytest.raises(ValueError, match='expected numbers but got <U1'):
        load(npy(np.full((7, 3), 'x')))
    with pytest.raises(ValueError, match='expected numbers but got complex'):
        load(npy(np.zeros((7, 3), complex)))


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickles_are_refused_and_not_run(npy, tmp_path):
    harm = str(tmp_path / 'harm')
    with pytest.raises(ValueError, match=r"video 'vid': .*x.npy: "):
        load(npy(np.array([Harmful(harm)], dtype=object), allow_pickle=True))
    with pytest.raises(ValueError, match=r'h.pt: expected a readable .pt file but got one that'):
        load(save_pt(tmp_path / 'h.pt', {'f': Harmful(harm)}))
    (tmp_path / 'p.pt').write_bytes(pickle.dumps(Harmful(harm)))
    with pytest.raises(ValueError, match=r'p.pt: expected a readable .pt file but got one that'):
        load(tmp_path / 'p.pt')
    archive = tmp_path / 'h.npz'
    np.savez(archive, f=np.array([Harmful(harm)], dtype=object))
    with pytest.raises(ValueError, match=r"video 'vid': .*h.npz: "):
        load(archive)
    assert not os.path.exists(harm)


@pytest.mark.parametrize('name', ['x.npy', 'x.npz', 'x.pt', 'x.pkl', 'x.h5'])
@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 not a zip', b'abc'])
def test_broken_files(tmp_path, name, content):
    if name.endswith('.h5'):
        pytest.importorskip('h5py')
    (tmp_path / name).write_bytes(content)
    kind = os.path.splitext(name)[1]
    with pytest.raises(ValueError, match=rf"'vid': .*{name}: expected a readable {kind} file but "):
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
            with pytest.raises(ValueError, match=rf"'vid': .*{name}: expected a readable") as error:
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
    with pytest.raises(ValueError, match=r"video 'vid': .*x.npy: "):
        load(path)


def test_missing_files_and_unknown_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^video 'vid': .*no.npy, which does not exist$"):
        load(tmp_path / 'no.npy')
    (tmp_path / 'cafe\u0301.npy').touch()
    if not (tmp_path / 'caf\u00e9.npy').exists():  # a file system may take the one for the other
        with pytest.raises(FileNotFoundError, match=r"which does not exist; 'cafe\\u0301.npy' is"):
            load(tmp_path / 'caf\u00e9.npy')
    with pytest.raises(ValueError, match=r"expected one of .npy, .npz, .pt, .* but got '.mat'"):
        load(tmp_path / 'x.mat')


def test_settings(npy):
    assert isinstance(TRANSFORMS.build({'type': 'LoadFeature', 'feat_dim': 3}), LoadFeature)
    for feat_dim in (0, '3', 3.0):
        message = f'expected feat_dim to be a whole number >= 1 but got {feat_dim!r}'
        with pytest.raises(ValueError, match=message):
            LoadFeature(feat_dim=feat_dim)
    with pytest.raises(TypeError, match='expected key to be a string but got 5'):
        LoadFeature(feat_dim=3, key=5)
    for channels in (5, [0, 1, 2], [0, 9]):
        with pytest.raises(ValueError, match=r'that are 3 of 6 but got'):
            LoadFeature(feat_dim=3, channels=channels, file_dim=6)
    results = {'video_name': 'vid', 'grid': {'fps': 1}, 'feature_path': str(npy(FEATURE))}
    with pytest.raises(TypeError, match='expected a FeatureGrid but got'):
        LoadFeature(feat_dim=3)(results)


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
        with pytest.raises(ValueError, match=r"video 'vid': .*x.pkl: expected"):
            load(save_pkl(tmp_path / 'x.pkl', content))
    assert not os.path.exists(harm)


def test_pickles_of_more_than_arrays_are_refused_and_not_run(tmp_path):
    harm = str(tmp_path / 'harm')
    harmful = pickle.dumps(Harmful(harm))
    for content in (harmful, pickle.dumps({'a': [FEATURE, Harmful(harm)]})):
        (tmp_path / 'x.pkl').write_bytes(content)
        with pytest.raises(ValueError, match=r"'vid': .*x.pkl: .*but got posix.mkdir, .* refused"):
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
    feature = load(path, key='{video}')
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
    with pytest.raises(ImportError, match=r"video 'vid': .*x.h5: expected h5py.* pip install h5py"):
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
    with pytest.raises(ValueError, match=rf"'vid': .*x.csv: expected numbers with commas .*{line}"):
        load(tmp_path / 'x.csv')


def test_headers_of_a_csv(tmp_path):
    for header in ('0,1,2', 'f0,f1,f2', '"a","b","c"', '# a 1,b 2', '# one\n# two'):
        (tmp_path / 'x.csv').write_text(f'{header}\n4,5,6\n7,8,9\n')
        np.testing.assert_array_equal(load(tmp_path / 'x.csv'), [[4, 5, 6], [7, 8, 9]])
    for first in ('0.0,1.0,2.0', '1,2,3', 'nan,1,2'):
        (tmp_path / 'x.csv').write_text(f'{first}\n4,5,6\n')
        assert len(load(tmp_path / 'x.csv')) == 2
    (tmp_path / 'x.csv').write_text('0\n4\n')
    np.testing.assert_array_equal(load(tmp_path / 'x.csv', feat_dim=1), [[0], [4]])


@pytest.mark.parametrize(
    ('first', 'is_header'), [('0,1,2', True), ('1,2,3', False), ('0,1,1', None), ('a,b,c', None)]
)
def test_a_header_that_is_guessed_is_said_once_and_can_be_given(
    tmp_path, warnings, first, is_header
):
    path = tmp_path / 'x.csv'
    path.write_text(f'{first}\n4,5,6\n')
    transform = LoadFeature(feat_dim=3)
    for _ in range(2):
        transform({'video_name': 'vid', 'grid': GRID, 'feature_path': str(path)})
    taken = 'the numbers of the columns, not a step' if is_header else 'a step, not a header'
    expected = [
        f"video 'vid': {path}: the first row, '{first}', is taken for {taken}; "
        f'csv_header={is_header} of LoadFeature says so, and csv_header={not is_header} the '
        'opposite'
    ]
    assert warnings() == ([] if is_header is None else expected)
    assert len(load(path, csv_header=True)) == 1
    if first != 'a,b,c':
        assert len(load(path, csv_header=False)) == 2
    else:
        with pytest.raises(ValueError, match="3 in each line, but got line 1: 'a,b,c'"):
            load(path, csv_header=False)
    assert len(warnings()) == (is_header is not None)


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


def test_a_part_of_the_channels(npy):
    path = npy(np.ascontiguousarray(FEATURE.T))
    feature = load(path, feat_dim=2, channels=(1, 3), file_dim=3)
    np.testing.assert_array_equal(feature, FEATURE[:, 1:])
    assert isinstance(feature, np.memmap)
    for settings in (
        {'feat_dim': 2, 'channels': (0, 3), 'file_dim': 3},
        {'feat_dim': 2, 'channels': (2, 4), 'file_dim': 3},
    ):
        with pytest.raises(ValueError, match=r'expected channels \[first, last \+ 1\) that are 2'):
            LoadFeature(**settings)
    with pytest.raises(ValueError, match='expected channels and file_dim together'):
        LoadFeature(feat_dim=2, channels=(0, 2))
    with pytest.raises(ValueError, match=r'expected shape \(T, 4\) or \(4, T\) but got'):
        load(path, feat_dim=2, channels=(0, 2), file_dim=4)


# Several sources


def ramp(grid, steps, slope):
    """A feature that is ``slope`` times the time of its step, in seconds."""
    return (slope * grid.to_seconds(np.arange(steps, dtype=np.float64)))[:, None]


def load_sources(tmp_path, grid, *parts):
    paths, sources = [], []
    for number, (feature, own) in enumerate(parts):
        np.save(tmp_path / f's{number}.npy', feature)
        paths.append(str(tmp_path / f's{number}.npy'))
        own = own and {'fps': own.fps, 'feat_stride': own.feat_stride, 'clip_len': own.clip_len}
        sources.append({'feat_dim': feature.shape[1], 'grid': own})
    transform = LoadFeature(feat_dim=sum(s['feat_dim'] for s in sources), sources=sources)
    return transform({'video_name': 'vid', 'grid': grid, 'feature_path': paths})['feature']


def test_sources_of_one_grid_are_put_side_by_side(tmp_path):
    longer = np.concatenate([FEATURE, FEATURE[:2]])
    feature = load_sources(tmp_path, GRID, (FEATURE, None), (longer + 100, GRID))
    np.testing.assert_array_equal(feature, np.concatenate([FEATURE, FEATURE + 100], axis=1))


def test_sources_of_other_grids_are_brought_to_the_sample_times(tmp_path):
    dense, shifted = FeatureGrid(25, 2, 4), FeatureGrid(10, 3, 11)
    feature = load_sources(
        tmp_path,
        GRID,
        (ramp(GRID, 50, 1.0), None),
        (ramp(dense, 252, 2.0), dense),
        (ramp(shifted, 66, 3.0), shifted),
    )
    times = GRID.to_seconds(np.arange(len(feature), dtype=np.float64))
    assert len(feature) == 50
    for column, slope in enumerate((1, 2, 3)):
        # a source that begins later, repeats its first step
        first = shifted.to_seconds(0.0) if slope == 3 else 0.0
        np.testing.assert_allclose(feature[:, column], slope * times.clip(first), rtol=1e-5)


def test_the_shortest_source_decides_and_nothing_is_made_up_behind_it(tmp_path):
    dense = FeatureGrid(10, 2, 8)
    feature = load_sources(
        tmp_path, GRID, (ramp(GRID, 50, 1.0), None), (ramp(dense, 96, 1.0), dense)
    )
    assert len(feature) == 48  # the step 47 of the one is the step 94 of the other
    np.testing.assert_allclose(feature[:, 0], feature[:, 1], rtol=1e-6)


@pytest.mark.parametrize('steps', [50, 10_000])
def test_sources_may_end_three_steps_or_a_second_apart_whatever_their_length(tmp_path, steps):
    coarse = FeatureGrid(10, 20, 8)  # steps of 2 s, those of GRID are of 0.4 s
    end = steps // 5  # the steps 5 t of the one are the steps t of the other
    for grid, shorter, allowed in ((GRID, steps, 3), (coarse, end, 3)):
        for missing in (allowed, allowed + 1):
            parts = (ramp(GRID, steps, 1.0), None), (ramp(grid, shorter - missing, 1.0), grid)
            if grid is coarse:
                parts = (ramp(GRID, 5 * (end - 1) + 1, 1.0), None), parts[1]
            if missing == allowed:
                load_sources(tmp_path, GRID, *parts)
                continue
            with pytest.raises(ValueError, match='expected features that end together but got'):
                load_sources(tmp_path, GRID, *parts)


def test_sources_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"'vid': expected features that end together .*s1.npy 5"):
        load_sources(tmp_path, GRID, (ramp(GRID, 50, 1.0), None), (ramp(GRID, 13, 1.0), None))
    sources = [{'feat_dim': 2}, {'feat_dim': 1}]
    with pytest.raises(ValueError, match='expected sources of 4 channels together but got 3'):
        LoadFeature(feat_dim=4, sources=sources)
    for setting in ({'key': 'a'}, {'layout': 'TC'}, {'csv_header': False}):
        with pytest.raises(ValueError, match='layout and csv_header in each of the sources but'):
            LoadFeature(feat_dim=3, sources=sources, **setting)
    results = {'video_name': 'vid', 'grid': GRID, 'feature_path': 'a.npy'}
    with pytest.raises(ValueError, match=r"'vid': expected 2 features, .* but got a.npy"):
        LoadFeature(feat_dim=3, sources=sources)(results)


def test_sources_as_arrays(tmp_path):
    sources = [{'feat_dim': 2}, {'feat_dim': 1, 'grid': {'feat_stride': 4}}]
    load = LoadFeature(feat_dim=3, sources=sources)
    grid = FeatureGrid(10, 2, 4)
    one = np.arange(18, dtype=np.float32).reshape(9, 2)
    other = np.arange(5, dtype=np.float32)[:, None] * 4  # at every second step
    expected = np.column_stack([one, np.arange(9) * 2.0])
    np.save(tmp_path / 'one.npy', one)
    for given in ([one, other], [str(tmp_path / 'one.npy'), other], expected.T):
        found = load({'video_name': 'vid', 'grid': grid, 'feature': given})['feature']
        np.testing.assert_allclose(found, expected)
    for given in ([one], [one, other, other]):
        with pytest.raises(ValueError, match=rf"'vid': expected 2 features, .* got {len(given)}$"):
            load({'video_name': 'vid', 'grid': grid, 'feature': given})
    with pytest.raises(ValueError, match=r"'vid': expected 1 features, .* but got 2$"):
        LoadFeature(feat_dim=3)({'video_name': 'vid', 'grid': grid, 'feature_path': ['a', 'b']})


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


class Videos:
    """A data set of ``names``, 20 s each, the feature of which is half as long."""

    def __init__(self, *names, **sample):
        feature = np.zeros((24, 3))
        self.samples = [
            {'video_name': name, 'grid': GRID, 'feature': feature, 'duration': 20.0, **sample}
            for name in names
        ]
        self.load = LoadFeature(feat_dim=3)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return len(self.load(dict(self.samples[index]))['feature'])


@pytest.fixture
def warnings(monkeypatch, tmp_path):
    """Function: the warnings of this run so far, of all processes."""
    path = tmp_path / 'log'
    path.touch()

    def log(text, logger, level):
        with path.open('a') as file:
            file.write(f'{text}\n')

    monkeypatch.setattr(notices, 'print_log', log)
    return lambda: path.read_text().splitlines()


@pytest.mark.parametrize('num_workers', [0, 2])
def test_a_feature_of_another_length_is_warned_of_once_for_each_data_set(warnings, num_workers):
    for name in ('train', 'val'):
        videos = Videos(*(f'{name}_{i}' for i in range(8)))
        loader = DataLoader(
            videos,
            num_workers=num_workers,
            multiprocessing_context=('fork' if num_workers else None),
        )
        for _ in range(2):
            assert sum(map(int, loader)) == 8 * 24
    for name, warning in zip(('train', 'val'), warnings(), strict=True):
        assert warning.startswith(f"video '{name}_")
        assert (
            ': expected about 49 steps (20 s, fps 10, feat_stride 4, clip_len 8) but got 24: '
            'actions are learned and found at shifted times; `python tools/data/check.py CONFIG` '
        ) in warning


@pytest.mark.parametrize('duration', [None, 10.0, 8.8, 11.5])
def test_a_feature_that_fits_or_may_is_not_warned_of(warnings, duration):
    assert Videos('v', duration=duration)[0] == 24
    assert warnings() == []


def test_how_processes_start_is_left_to_the_user(fresh_process):
    assert fresh_process['start_method'] is None
