"""What arguments of tools mean."""

import pytest

from asl_mmaction.cli.arguments import parse_cfg_options
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
    with pytest.raises(Mistake, match='expected KEY=VALUE for --subsets but got validation'):
        parse_cfg_options(['test=test', 'validation'], '--subsets')
