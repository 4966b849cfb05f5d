import json

import pytest

from asl_mmaction.files.sidecar import complete_grid, read_sidecar, sidecar_path


def test_it_lies_beside_the_feature(tmp_path):
    assert sidecar_path(tmp_path / 'a.b.npy') == tmp_path / 'a.b.json'
    assert sidecar_path(str(tmp_path / 'x.pt')) == tmp_path / 'x.json'
    assert read_sidecar(tmp_path / 'a.npy') is None
    content = {'fps': 25, 'feat_stride': 4, 'clip_len': 16.0, 'T': 3, 'video': 'a.mp4'}
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert read_sidecar(tmp_path / 'a.npy') == content
    (tmp_path / 'a.json').write_text('{"clip_len": 0}')  # moments, which have no length
    assert read_sidecar(tmp_path / 'a.npy') == {'clip_len': 0}
    (tmp_path / 'folder.json').mkdir()
    assert read_sidecar(tmp_path / 'folder.npy') is None


@pytest.mark.parametrize('text', ['[1, 2]', '{"database": {}}', '"text"'])
def test_another_json_file_is_none(text, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    assert read_sidecar(tmp_path / 'a.npy') is None


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('{"fps": ', 'a.json: expected JSON but got'),
        ('{"fps": "25"}', "a.json: expected fps to be a number > 0 but got '25'"),
        ('{"fps": 25, "T": true}', 'expected T to be a number > 0 but got True'),
        ('{"clip_len": -1}', 'expected clip_len to be a number > 0 but got -1'),
        ('{"fps": 5, "dim": 0}', 'expected dim to be a number > 0 but got 0'),
        ('{"feat_stride": NaN}', 'expected feat_stride to be a number > 0 but got nan'),
        ('{"fps": Infinity}', 'expected fps to be a number > 0 but got inf'),
    ],
)
def test_what_is_wrong_in_it(text, words, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match=words):
        read_sidecar(tmp_path / 'a.npy')


def test_it_completes_a_grid_and_has_to_agree(tmp_path):
    feature = tmp_path / 'a.npy'
    assert complete_grid({'fps': 5}, feature) == {'fps': 5}
    (tmp_path / 'a.json').write_text('{"fps": 29.97002997, "feat_stride": 4, "T": 3}')
    assert complete_grid({}, feature) == {'fps': 29.97002997, 'feat_stride': 4}
    given = {'fps': 29.97, 'clip_len': 16}  # rounded: as good as the same, and the given one stays
    assert complete_grid(given, feature) == {'fps': 29.97, 'feat_stride': 4, 'clip_len': 16}
    for wrong in (30, '29.97', None):
        with pytest.raises(ValueError, match=r'expected fps 29.97\d*, as .*a.json says .* but'):
            complete_grid({'fps': wrong}, feature)
