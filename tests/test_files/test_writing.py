import json
import os

import pytest

from asl_mmaction.files.writing import (
    check_file_name,
    hint_at_nearest,
    hint_at_same_file,
    hint_at_same_name,
    prepare_folder,
    write_json,
)


def test_what_is_written_comes_back(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'a.json'
    content = {'línea\n日本': [0.1 + 0.2, None, True], 'not unicode \udcff': {'': 'quo"te\\'}}
    write_json(path, content)
    assert json.loads(path.read_bytes().decode('utf-8')) == content
    assert os.listdir(path.parent) == ['a.json']


@pytest.mark.parametrize('value', [float('nan'), float('-inf')])
def test_what_json_does_not_have_is_refused(tmp_path, value):
    path = tmp_path / 'a.json'
    write_json(path, {'a': 1})
    with pytest.raises(ValueError, match='not JSON compliant'):
        write_json(path, {'b': [value]})
    assert json.loads(path.read_text()) == {'a': 1}
    assert os.listdir(tmp_path) == ['a.json']


@pytest.mark.parametrize('method', ['write_text', 'replace'])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, method):
    path = tmp_path / 'a.json'
    write_json(path, {'a': 1})

    def fail(*args, **kwargs):
        raise OSError('disk full')

    monkeypatch.setattr(type(path), method, fail)
    with pytest.raises(OSError, match='disk full'):
        write_json(path, {'b': 2})
    assert json.loads(path.read_text()) == {'a': 1}
    assert os.listdir(tmp_path) == ['a.json']


@pytest.mark.parametrize('name', ['a', 'kitchen/a', '..a', 'a..', 'a/..b/c', '...', 'a\\b', '日本'])
def test_names_of_videos_are_names_of_files(name):
    assert check_file_name(name) == name


@pytest.mark.parametrize('name', ['..', '../a', 'a/../b', 'a/..', '/a', '//a'])
def test_names_that_lead_out_of_the_folder_are_refused(name):
    with pytest.raises(ValueError, match=f"expected a video name that stays .* but got '{name}'"):
        check_file_name(name)


def test_a_folder_to_write_into(tmp_path):
    prepare_folder(tmp_path / 'a' / 'b')
    prepare_folder(tmp_path / 'a' / 'b')
    assert os.listdir(tmp_path / 'a') == ['b']
    assert os.listdir(tmp_path / 'a' / 'b') == []


@pytest.mark.parametrize('name', ['file', 'file/folder', '/proc/x'])
def test_a_folder_that_cannot_be_written_into(tmp_path, name):
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match=f'expected a folder to write into but got .*{name}: '):
        prepare_folder(tmp_path / name)
    assert os.listdir(tmp_path) == ['file']


NFC, NFD = 'caf\u00e9', 'cafe\u0301'


def test_a_name_that_looks_the_same_is_told():
    hint = "; 'cafe\\u0301' is there: 'caf\\xe9' in another Unicode normal form"
    assert hint_at_same_name(NFC, ['tea', NFD]) == hint
    assert hint_at_same_name(NFD, [NFC]).startswith("; 'caf\\xe9' is there")
    for names in ([], ['cafe', 'tea'], [NFC]):
        assert hint_at_same_name(NFC, names) == ''
    assert hint_at_same_name('Tea', ['coffee', 'tea']) == "; 'tea' is there, in another case"
    # e with two accents, in three forms; whatever the order, the first of them is told
    one, two, three = '\u1ec7', 'e\u0323\u0302', 'e\u0302\u0323'
    assert hint_at_same_name(one, [two, three]) == hint_at_same_name(one, [three, two])


def test_a_file_that_looks_the_same_is_told(tmp_path, monkeypatch):
    (tmp_path / f'{NFD}.npy').touch()
    if (tmp_path / f'{NFC}.npy').exists():
        pytest.skip('this file system takes the one for the other')
    assert hint_at_same_file(tmp_path / f'{NFC}.npy').startswith(r"; 'cafe\u0301.npy' is there")
    monkeypatch.chdir(tmp_path)
    assert hint_at_same_file(f'{NFC}.npy').startswith(r"; 'cafe\u0301.npy' is there")
    assert hint_at_same_file(tmp_path / 'tea.npy') == ''
    assert hint_at_same_file(tmp_path / 'nowhere' / f'{NFC}.npy') == ''


def test_nearest_names():
    assert hint_at_nearest(['tes'], ['coffee', 'tea']) == '; the nearest there: tea, coffee'
    assert hint_at_nearest(['x'], []) == hint_at_nearest([], ['tea']) == ''
