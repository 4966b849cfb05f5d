import os
import pickle

import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS

from asl_mmaction.datasets.transforms import LoadFeature
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


def test_npz(tmp_path):
    one = save_npz(tmp_path / 'one.npz', feats=FEATURE)
    np.testing.assert_array_equal(load(one), FEATURE)
    np.testing.assert_array_equal(load(one, key='feats'), FEATURE)
    two = save_npz(tmp_path / 'two.npz', feats=FEATURE, other=FEATURE + 1)
    np.testing.assert_array_equal(load(two, key='other'), FEATURE + 1)
    for key in (None, 'x'):
        with pytest.raises(ValueError, match=rf"two.npz: expected key {key!r} but got \['feats'"):
            load(two, key=key)


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
    square = FEATURE[:3]
    np.testing.assert_array_equal(load(npy(square)), square)  # as it is


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
    with pytest.raises(ValueError, match=r'h.pt: expected a readable file that holds tensors only'):
        load(save_pt(tmp_path / 'h.pt', {'f': Harmful(harm)}))
    (tmp_path / 'p.pt').write_bytes(pickle.dumps(Harmful(harm)))
    with pytest.raises(ValueError, match=r'p.pt: expected a readable file that holds tensors only'):
        load(tmp_path / 'p.pt')
    archive = tmp_path / 'h.npz'
    np.savez(archive, f=np.array([Harmful(harm)], dtype=object))
    with pytest.raises(ValueError, match=r"video 'vid': .*h.npz: "):
        load(archive)
    assert not os.path.exists(harm)


@pytest.mark.parametrize('name', ['x.npy', 'x.npz', 'x.pt'])
@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 not a zip', b'abc'])
def test_broken_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"video 'vid': .*{name}: "):
        load(tmp_path / name)


def test_a_file_cut_short(npy):
    path = npy(FEATURE)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"video 'vid': .*x.npy: "):
        load(path)


def test_missing_files_and_unknown_formats(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"video 'vid': .*no.npy: no such feature file"):
        load(tmp_path / 'no.npy')
    with pytest.raises(ValueError, match=r"expected one of .npy, .npz, .pt but got '.h5'"):
        load(tmp_path / 'x.h5')


def test_settings(npy):
    assert isinstance(TRANSFORMS.build({'type': 'LoadFeature', 'feat_dim': 3}), LoadFeature)
    with pytest.raises(ValueError, match='expected feat_dim >= 1 but got 0'):
        LoadFeature(feat_dim=0)
    results = {'video_name': 'vid', 'grid': {'fps': 1}, 'feature_path': str(npy(FEATURE))}
    with pytest.raises(TypeError, match='expected a FeatureGrid but got'):
        LoadFeature(feat_dim=3)(results)
