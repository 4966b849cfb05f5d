"""Settings out of the text of a checkpoint, which is not run, and what differs between two."""

from pathlib import Path

import pytest
from mmengine.config import Config

from asl_mmaction.cli.settings import (
    differences,
    is_moving_average,
    moving_average,
    parse_settings,
)

CONFIGS = Path(__file__).parents[2] / 'configs'


def as_lists(value):
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize(
    'name', ['asl/asl_demo.py', 'tridet/tridet_hapt.py', 'mmaction/tcanet_hapt.py']
)
def test_the_text_of_a_config_is_that_config(name):
    config = Config.fromfile(CONFIGS / name)
    config.numbers = {1: 'a', 'b-c': (1,), 'd': -2.5e-8, 'e': {'f': {0: None}, 'g': [{'h': True}]}}
    assert parse_settings(config.pretty_text) == as_lists(config.to_dict())


@pytest.mark.parametrize(
    'call',
    ["__import__('pathlib').Path('ran').touch()", "[open('ran', 'w')]", "dict(a=open('ran', 'w'))"],
)
def test_no_text_is_run(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    settings = parse_settings(f'{call}\nx = {call}\nimport os\na.b = 1\ny = 2\n')
    assert settings.keys() == {'x', 'y'}
    assert settings['y'] == 2
    assert not Path('ran').exists()


def test_what_is_no_plain_value_stays_text():
    assert parse_settings('a = torch.optim.Adam\nb = dict(x=inf, y=[nan])') == {
        'a': 'torch.optim.Adam',
        'b': {'x': 'inf', 'y': ['nan']},
    }


@pytest.mark.parametrize('text', ['a = (', 'a = {[1]: 2}', 'a = \0', 'a = ' + '[' * 5000])
def test_what_is_no_config_is_refused(text):
    with pytest.raises(ValueError, match='expected the text of a config but got'):
        parse_settings(text)


def test_differences_are_named_by_their_keys():
    made = {'a': {'lr': 1, 'betas': (0.9, 0.99)}, 'b': [{'end': 5}], 'c': 1}
    asked = {'a': {'lr': 2, 'betas': [0.9, 0.99]}, 'b': [{'end': 5}, {'end': 6}], 'd': None}
    assert list(differences(made, asked, '')) == [
        ('a.lr', 1, 2),
        ('b.1', None, {'end': 6}),
        ('c', 1, None),
    ]
    assert list(differences(made['a'], asked['a'], 'x')) == [('x.lr', 1, 2)]


def test_the_moving_average_is_found_wherever_it_is():
    hook = {'type': 'EMAHook', 'momentum': 0.1}
    other = {'type': 'LoggerHook'}
    for config in (
        {'custom_hooks': [other, hook]},
        {'default_hooks': {'logger': other, 'timer': None, 'ema': hook}, 'custom_hooks': []},
    ):
        assert moving_average(config) == {'momentum': 0.1}
    for config in ({}, {'default_hooks': {'ema': None}, 'custom_hooks': [other]}):
        assert moving_average(config) is None
    assert is_moving_average({'type': 'OneEMAHook'})
