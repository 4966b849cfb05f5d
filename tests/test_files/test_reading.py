import pytest

from asl_mmaction.files import reading


def test_reading_durations_and_names(tmp_path):
    path = tmp_path / 'd.csv'
    path.write_text('\ufeffvideo,duration,fps\na,3.5,25\nb,4,\n', encoding='utf-8')
    assert reading.read_durations(path) == {'a': (3.5, 25.0), 'b': (4.0, None)}
    path = tmp_path / 'd.json'
    path.write_text('{"a": 3, "b": {"duration": 4.5, "fps": 30}}')
    assert reading.read_durations(path) == {'a': (3.0, None), 'b': (4.5, 30)}
    assert reading.read_names(path) == ['a', 'b']
    path.write_text('{"database": {"c": {"duration": "x"}}}')
    assert reading.read_names(path) == ['c']
    with pytest.raises(ValueError, match="video 'c': expected a duration"):
        reading.read_durations(path)
    path.write_text('[]')
    with pytest.raises(ValueError, match=r'd.json: expected a non-empty JSON object but got'):
        reading.read_durations(path)
    path.write_text('3')
    with pytest.raises(ValueError, match=r'd.json: expected a non-empty JSON object but got'):
        reading.read_names(path)
    path.write_text('{')
    with pytest.raises(ValueError, match=r'd.json: expected JSON but got'):
        reading.read_json(path)
    path.write_text('{"a": {"b": 1, "b": 2}}')
    with pytest.raises(ValueError, match=r"d.json: expected each name .* once but got 'b' twice"):
        reading.read_json(path)
    path = tmp_path / 'd.csv'
    for text, message in (
        ('a,NA,\n', "d.csv: video 'a': expected a duration > 0 but got 'NA'"),
        ('a,3,0\n', "d.csv: video 'a': expected fps > 0 but got '0'"),
        ('a,3,\na,4,\n', "d.csv: video 'a': expected one duration but got"),
        ('a,3,\nb,4\n', 'd.csv: line 3: expected 3 values but got 2'),
        ('', 'd.csv: expected rows below the header but got none'),
        ('a,\xe4,\n', 'd.csv: expected a CSV file but got UnicodeDecodeError'),
    ):
        path.write_text(f'video,duration,fps\n{text}', encoding='latin-1')
        with pytest.raises(ValueError, match=message):
            reading.read_durations(path)
    (tmp_path / 't.csv').write_text('a,b\n')
    with pytest.raises(ValueError, match=r"expected column 'video' but got \['a', 'b'\]"):
        reading.read_durations(tmp_path / 't.csv')
    for read in (reading.read_json, reading.read_durations, reading.read_names):
        with pytest.raises(FileNotFoundError, match='no such file'):
            read(tmp_path / 'no.txt')


def test_a_folder_in_place_of_a_file(tmp_path):
    for read in (reading.read_json, reading.read_names, reading.read_durations):
        with pytest.raises(FileNotFoundError, match=f'{tmp_path}: expected a file but got a fold'):
            read(tmp_path)


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / 'a.json').write_text('{"ä": 1}', encoding='utf-8-sig')
    assert reading.read_json(tmp_path / 'a.json') == {'ä': 1}
