"""What arguments of tools mean."""

import pytest

from asl_mmaction.cli.arguments import parse_cfg_options, parse_pairs
from asl_mmaction.files.mistakes import Mistake


def test_settings_become_values_of_their_types():
    assert parse_cfg_options(['a.b=4', 'c=[1,2.5]', 'd=x=y', 'e=None', 'a.f=true']) == {
        'a.b': 4,
        'c': [1, 2.5],
        'd': 'x=y',
        'e': None,
        'a.f': True,
    }
    assert parse_cfg_options([]) == {}


def test_what_is_no_setting_is_refused():
    with pytest.raises(Mistake, match='expected KEY=VALUE for --cfg-options but got b'):
        parse_cfg_options(['a=1', 'b'])
    with pytest.raises(Mistake, match='expected NAME=VALUE for --subsets but got validation'):
        parse_pairs(['test=test', 'validation'], '--subsets')


def test_pairs_are_taken_as_they_are():
    words = ['video=File Path', 'end=a, b', 'start=t=0', '1=2']
    found = {'video': 'File Path', 'end': 'a, b', 'start': 't=0', '1': '2'}
    assert parse_pairs(words, '--columns') == found


@pytest.mark.parametrize('text', ['a={"x":[1,2]}', 'a=(1,2),(3,4)', 'a=[1,2'])
def test_values_that_mmengine_cannot_read_are_told(text):
    """It would end in an AssertionError, or recurse until Python gives up."""
    with pytest.raises(Mistake, match='the values of a dict are set one by one') as caught:
        parse_cfg_options(['b=1', text])
    assert f'--cfg-options but got {text};' in str(caught.value)
