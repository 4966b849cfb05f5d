import numpy as np
import pytest

from asl_mmaction.files import reading
from asl_mmaction.files.mistakes import FileMistake, TypeMistake, ValueMistake


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
        with pytest.raises(FileNotFoundError, match=r'no\.txt, which does not exist'):
            read(tmp_path / 'no.txt')


def test_a_folder_in_place_of_a_file(tmp_path):
    for read in (reading.read_json, reading.read_names, reading.read_durations):
        with pytest.raises(
            FileNotFoundError, match=f'^expected a file but got {tmp_path}, which is a folder$'
        ):
            read(tmp_path)


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / 'a.json').write_text('{"ä": 1}', encoding='utf-8-sig')
    assert reading.read_json(tmp_path / 'a.json') == {'ä': 1}


@pytest.mark.parametrize('kind', [ValueMistake, TypeMistake, FileMistake])
@pytest.mark.parametrize('expected', [None, 'a form'])
def test_a_mistake_in_context_keeps_its_type_and_its_words(kind, expected):
    with pytest.raises(kind) as error, reading.in_context('a.json: video 1', expected):
        raise kind('expected x > 0 but got 0')
    assert str(error.value) == 'a.json: video 1: expected x > 0 but got 0'


@pytest.mark.parametrize(
    ('take_apart', 'found'),
    [
        (lambda: {}['duration'], "no 'duration'"),
        (lambda: [][0], 'IndexError: list index out of range'),
        (lambda: float('x'), "ValueError: could not convert string to float: 'x'"),
        (lambda: 1 / 0, 'ZeroDivisionError: division by zero'),
    ],
)
def test_what_python_raises_at_a_file_of_another_form(take_apart, found):
    with pytest.raises(ValueMistake) as error, reading.in_context('a.json', 'a duration'):
        take_apart()
    assert str(error.value) == f'a.json: expected a duration but got {found}'


def test_without_a_form_errors_of_python_are_left_alone():
    with pytest.raises(KeyError) as error, reading.in_context('a.json'):
        {}['duration']
    assert error.value.args == ('duration',)
    with pytest.raises(StopIteration), reading.in_context('a.json', 'a form'):  # a bug
        next(iter(()))


@pytest.mark.parametrize('value', [0, -1.5, 10**300, np.float32(2.5), np.int64(3)])
def test_numbers(value):
    assert reading.is_number(value)
    assert reading.finite('a number', value) == float(value)
    assert type(reading.finite('a number', value)) is float


@pytest.mark.parametrize(
    'value',
    [
        None,
        True,
        'x',
        1j,
        [1],
        float('nan'),
        float('-inf'),
        10**400,
        np.float32('nan'),
        'inf',
        '1_0',
    ],
)
def test_what_is_no_finite_number(value):
    assert not reading.is_number(value)
    with pytest.raises(ValueMistake, match=r'^expected a score but got '):
        reading.finite('a score', value)


def test_text_that_is_a_number_and_bounds():
    assert not reading.is_number('2')
    assert reading.finite('a score', ' 2.5 ') == 2.5
    assert reading.positive('fps', '1e-3') == 1e-3
    with pytest.raises(ValueMistake, match=r'^expected fps > 0 but got 0$'):
        reading.positive('fps', 0)


def test_json_that_is_nested_too_deeply(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('[' * 100000)
    with pytest.raises(ValueError, match=r'a\.json: expected JSON but got RecursionError'):
        reading.read_json(path)
