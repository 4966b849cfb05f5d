import json
import os

import numpy as np
import pytest

from asl_mmaction.datasets.writing import write_dataset


def write(out, value=1.0):
    with write_dataset(out) as writer:
        writer.feature('a', np.full((2, 3), value))
        writer.annotations({'database': {'a': value}})


def test_what_is_written(tmp_path):
    out = tmp_path / 'new' / 'data'
    write(out)
    feature = np.load(out / 'features' / 'a.npy')
    assert feature.dtype == np.float32
    np.testing.assert_array_equal(feature, np.ones((2, 3)))
    assert json.loads((out / 'annotations.json').read_text()) == {'database': {'a': 1.0}}
    assert os.listdir(out.parent) == ['data']


def test_an_earlier_data_set_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / 'data'
    write(out)
    (out / 'features' / 'old.npy').touch()
    write(out, 2.0)
    assert os.listdir(out / 'features') == ['a.npy']
    assert json.loads((out / 'annotations.json').read_text()) == {'database': {'a': 2.0}}
    assert os.listdir(tmp_path) == ['data']


@pytest.mark.parametrize('before', [False, True])
def test_a_failure_leaves_all_as_it_was(tmp_path, before):
    out = tmp_path / 'data'
    if before:
        write(out)
    with pytest.raises(TypeError, match='not JSON serializable'):
        write(out, value=np.float32(2))  # the features are written by then
    assert os.listdir(tmp_path) == (['data'] if before else [])
    if before:
        assert os.listdir(out / 'features') == ['a.npy']


def test_a_failing_move_brings_the_earlier_data_set_back(tmp_path, monkeypatch):
    out = tmp_path / 'data'
    write(out)
    rename = type(out).rename

    def refuse(self, target):
        if self.name == 'new':
            raise OSError('disk')
        return rename(self, target)

    monkeypatch.setattr(type(out), 'rename', refuse)
    with pytest.raises(OSError, match='disk'):
        write(out, 2.0)
    assert json.loads((out / 'annotations.json').read_text()) == {'database': {'a': 1.0}}
    assert os.listdir(tmp_path) == ['data']


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(FileExistsError, match=r"but it also holds 'thesis.tex'"):
        write(tmp_path)
    with pytest.raises(FileExistsError, match='expected a folder but got a file'):
        write(tmp_path / 'thesis.tex')
    assert os.listdir(tmp_path) == ['thesis.tex']
    assert (tmp_path / 'thesis.tex').read_text() == 'x'
