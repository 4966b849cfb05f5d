"""What a user gives becomes recordings, each with a name of its own."""

import pytest

from asl_mmaction.apis.inputs import Input, find_inputs

ONE = ['{video}.npy']


@pytest.fixture
def folder(tmp_path):
    names = ('b.npy', 'a/c.NPY', 'a/d.mp4', 'a/d.json', '.hidden.npy', 'x.csv', 'a/note.txt')
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'folder.npy').mkdir()
    return tmp_path


def names(found):
    return [item.name for item in found]


def test_a_folder_gives_its_features_and_videos(folder):
    found = find_inputs(folder, ONE)
    assert found == [
        Input('a/c', (str(folder / 'a/c.NPY'),)),
        Input('a/d', video=folder / 'a/d.mp4'),
        Input('b', (str(folder / 'b.npy'),)),
    ]
    assert [item.file for item in found] == [
        str(folder / name) for name in ('a/c.NPY', 'a/d.mp4', 'b.npy')
    ]


def test_files_folders_and_patterns_are_mixed(folder):
    inputs = [str(folder / '**/*.npy'), folder / 'a', {'feature': str(folder / 'x.csv'), 'fps': 3}]
    found = find_inputs(inputs, ONE)
    assert names(found) == ['b', 'c', 'd', 'x']
    assert (found[3].fps, found[2].video) == (3, folder / 'a/d.mp4')
    assert find_inputs(str(folder / 'a/d.mp4'), ONE) == [Input('d', video=folder / 'a/d.mp4')]


def test_a_name_with_brackets_is_a_file_where_there_is_one(folder):
    (folder / 'take[1].npy').touch()
    (folder / 'take1.npy').touch()
    assert names(find_inputs(str(folder / 'take[1].npy'), ONE)) == ['take[1]']
    assert names(find_inputs(str(folder / 'tak?[12].npy'), ONE)) == ['take1']


def test_a_folder_of_several_sources(folder):
    for name in ('rgb/sub/v.npy', 'flow/v_sub/v.npy', 'flow/v_w.npy'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    sources = ['rgb/{video}.npy', 'flow/v_{video}.npy']
    files = tuple(str(folder / name) for name in ('rgb/sub/v.npy', 'flow/v_sub/v.npy'))
    assert find_inputs(folder, sources) == [Input('sub/v', files)]
    (folder / 'rgb/u.npy').touch()
    with pytest.raises(FileNotFoundError, match=r"video 'u': .* got .*flow/v_u\.npy, which does"):
        find_inputs(folder, sources)


@pytest.mark.parametrize(
    ('place', 'message'),
    [
        ('empty', r'expected features \(\{video\}\.npy\) or videos in .*empty but got none'),
        ('no*.npy', r'expected files of the pattern .*no\*\.npy but got none'),
        ('gone.npy', r"video 'gone': expected a feature file but got .*gone\.npy, which does not"),
        ('gone.mp4', r"video 'gone': expected a video file but got .*gone\.mp4, which does not"),
    ],
)
def test_what_is_not_there(folder, place, message):
    (folder / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match=message):
        find_inputs(str(folder / place), ONE)


def test_two_files_of_one_name_are_named(folder):
    (folder / 'b.mp4').touch()
    with pytest.raises(ValueError, match=r'but got b twice \(.*b\.\w+ and .*b\.\w+\)$'):
        find_inputs(folder, ONE)


def test_files_elsewhere_are_not_looked_for():
    assert names(find_inputs('s3://there/v.npy', ONE, elsewhere=True)) == ['v']
