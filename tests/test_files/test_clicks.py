"""Click files: round trip, and what is not of their form."""

import json

import pytest

from asl_mmaction.files.clicks import Click, read_click_file, write_click_file

CLICKS = {'v': [Click(0.1 + 0.2, None), Click(31.0, 'Diving')], 'ü/w': []}


def test_round_trip(tmp_path):
    path = tmp_path / 'deep' / 'clicks.json'
    write_click_file(path, CLICKS, source='by hand')
    assert read_click_file(path) == (CLICKS, False)
    content = json.loads(path.read_text())
    assert list(content) == ['source', 'database']
    assert content['source'] == 'by hand'
    assert content['database']['v'][0] == {'time': 0.1 + 0.2, 'label': None}
    write_click_file(path, CLICKS, source='drawn', simulated={'seed': 0})
    assert read_click_file(path) == (CLICKS, True)
    path.write_text(json.dumps({**content, 'simulated': None}))
    assert not read_click_file(path).simulated


@pytest.mark.parametrize(
    ('database', 'message'),
    [
        (None, "expected an object with a 'database' of clicks by video but got keys source"),
        ([], "expected an object with a 'database' of clicks by video but got keys database"),
        ({'v': {'time': 1.0}}, "video 'v': expected a list of clicks but got dict"),
        ({'v': [{'label': None}]}, "video 'v': expected clicks with 'time' and 'label' but got no"),
        ({'v': [{'time': 1.0}]}, "video 'v': expected clicks with 'time' and 'label' but got no"),
        ({'v': [{'time': '1.0', 'label': None}]}, "expected a time in seconds but got '1.0'"),
        ({'v': [{'time': True, 'label': None}]}, 'expected a time in seconds but got True'),
        ({'v': [{'time': 1.0, 'label': 3}]}, 'expected the name of a class but got 3'),
        ({'v': ['x']}, "video 'v': expected clicks with 'time' and 'label'"),
    ],
)
def test_another_form_is_refused_in_one_line(tmp_path, database, message):
    path = tmp_path / 'clicks.json'
    content = {'source': 'x'} if database is None else {'database': database}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        read_click_file(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'clicks\.json, which does not exist'):
        read_click_file(tmp_path / 'clicks.json')
