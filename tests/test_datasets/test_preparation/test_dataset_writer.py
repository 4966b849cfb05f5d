import json
import os
import shutil

import numpy as np
import pytest

from asl_mmaction.datasets.preparation.dataset_writer import count_table, write_dataset


def write(out, value=1.0, made_by='me'):
    with write_dataset(out, made_by) as writer:
        writer.feature('a', np.full((2, 3), value))
        writer.annotations({'database': database(value)})


def database(value=1.0, subset='test'):
    return {'a': {'subset': subset, 'duration': value, 'annotations': []}}


def test_what_is_written(tmp_path):
    out = tmp_path / 'new' / 'data'
    write(out)
    feature = np.load(out / 'features' / 'a.npy')
    assert feature.dtype == np.float32
    np.testing.assert_array_equal(feature, np.ones((2, 3)))
    assert json.loads((out / 'annotations.json').read_text()) == {'database': database()}
    assert (out / '.made_by').read_text() == 'me\nannotations.json\nfeatures/a.npy\n'
    assert os.listdir(out.parent) == ['data']


def test_an_earlier_data_set_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / 'data'
    write(out)
    with write_dataset(out, 'me') as writer:
        writer.feature('old', np.ones((2, 3)))
    write(out, 2.0)
    assert os.listdir(out / 'features') == ['a.npy']
    assert json.loads((out / 'annotations.json').read_text()) == {'database': database(2.0)}
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


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({}, 'expected videos but got none'),
        (database(subset='training'), 'expected actions .* training but got 1 videos without any'),
    ],
)
def test_nothing_to_learn_from_is_not_written(tmp_path, content, message):
    out = tmp_path / 'data'
    write(out)
    with pytest.raises(ValueError, match=message), write_dataset(out, 'me') as writer:
        writer.annotations({'database': content})
    assert json.loads((out / 'annotations.json').read_text()) == {'database': database()}
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
    assert json.loads((out / 'annotations.json').read_text()) == {'database': database()}
    assert os.listdir(tmp_path) == ['data']


@pytest.mark.parametrize('marker', [None, 'other\nannotations.json\n', '', b'\xff\n'])
@pytest.mark.parametrize('file', ['annotations.json', 'annotations_mine.json', 'features/a.npy'])
def test_what_another_has_made_is_not_replaced(tmp_path, file, marker):
    """Of the layout that is asked of everyone's own data."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text('x')
    if marker is not None:
        (tmp_path / '.made_by').write_bytes(marker if type(marker) is bytes else marker.encode())
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(
        FileExistsError, match=r'one that me has made, but it holds .* not replaced'
    ):
        write(tmp_path)
    assert sorted(tmp_path.rglob('*')) == before
    assert (tmp_path / file).read_text() == 'x'


@pytest.mark.parametrize('mine', ['annotations_mine.json', 'features/mine.npy', 'link'])
def test_what_is_added_to_the_folder_is_the_users_own(tmp_path, mine):
    out = tmp_path / 'data'
    write(out)
    if mine == 'link':
        (out / mine).symlink_to(tmp_path, target_is_directory=True)
    else:
        (out / mine).touch()
    with pytest.raises(FileExistsError, match=f"but it holds '{mine}' of another"):
        write(out)
    (out / mine).unlink()
    write(out, 2.0)
    with pytest.raises(FileExistsError, match=r'one that you has made, but it holds'):
        write(out, made_by='you')


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / 'data').mkdir()
    write(tmp_path / 'data')
    assert (tmp_path / 'data' / 'annotations.json').is_file()


def test_names_of_videos_stay_inside(tmp_path):
    with write_dataset(tmp_path / 'data', 'me') as writer:
        writer.feature('kitchen/a', np.zeros((2, 3)))
    assert (tmp_path / 'data' / 'features' / 'kitchen' / 'a.npy').is_file()
    shutil.rmtree(tmp_path / 'data')
    with (
        pytest.raises(ValueError, match=r"stays inside its folder but got '../../../a'"),
        write_dataset(tmp_path / 'data', 'me') as writer,
    ):
        writer.feature('../../../a', np.zeros((2, 3)))
    assert not list(tmp_path.iterdir())


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / 'thesis.tex').write_text('x')
    with pytest.raises(FileExistsError, match=r"but it holds 'thesis.tex'"):
        write(tmp_path)
    with pytest.raises(FileExistsError, match='expected a folder but got a file'):
        write(tmp_path / 'thesis.tex')
    assert os.listdir(tmp_path) == ['thesis.tex']
    assert (tmp_path / 'thesis.tex').read_text() == 'x'


def test_counts_beside_those_that_are_known():
    counts = [('training', 3), ('test', 5), ('training', 4), ('other', 9)]
    table = count_table('songs', counts, 'known', {'training': (2, 8), 'test': (1, 5)})
    rows = [line.split() for line in table.splitlines()]
    assert rows == [
        ['subset', 'songs', 'instances', 'known'],
        ['training', '2', '7', '2', '/', '8'],
        ['test', '1', '5', '1', '/', '5'],
    ]
