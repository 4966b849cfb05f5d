import json

import pytest

from asl_mmaction.files.sidecar import read_sidecar, sidecar_path


def test_it_lies_beside_the_feature(tmp_path):
    assert sidecar_path(tmp_path / 'a.b.npy') == tmp_path / 'a.b.json'
    assert sidecar_path(str(tmp_path / 'x.pt')) == tmp_path / 'x.json'
    assert read_sidecar(tmp_path / 'a.npy') is None
    content = {'fps': 25, 'feat_stride': 4, 'clip_len': 16.0, 'T': 3, 'video': 'a.mp4'}
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert read_sidecar(tmp_path / 'a.npy') == content


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
        ('{"clip_len": 0}', 'expected clip_len to be a number > 0 but got 0'),
        ('{"feat_stride": NaN}', 'expected feat_stride to be a number > 0 but got nan'),
        ('{"fps": Infinity}', 'expected fps to be a number > 0 but got inf'),
    ],
)
def test_what_is_wrong_in_it(text, words, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match=words):
        read_sidecar(tmp_path / 'a.npy')
