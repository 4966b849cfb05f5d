"""Clicks that nothing reads are said."""

from types import SimpleNamespace

import pytest
from torch.utils.data import ConcatDataset

from asl_mmaction.cli.checks import clicks as module
from asl_mmaction.cli.checks.clicks import warn_of_unread_clicks
from asl_mmaction.datasets.tal_dataset import TALDataset


def dataset(click_file):
    """A built one, without the reading of its files."""
    made = object.__new__(TALDataset)
    made.click_file = click_file
    return made


@pytest.mark.parametrize(
    ('head', 'click_file', 'said'),
    [
        ({'loss_contrast': None}, 'a.json', True),
        ({}, 'a.json', True),
        ({'loss_contrast': None}, None, False),
        ({'loss_contrast': 'ascl'}, 'a.json', False),
        ({'loss_click': 'click'}, 'a.json', False),
    ],
)
def test_clicks_that_nothing_reads(monkeypatch, head, click_file, said):
    lines = []
    monkeypatch.setattr(module, 'print_log', lambda text, **_: lines.append(text))
    monkeypatch.setattr(TALDataset, '__len__', lambda self: 1)
    joined = ConcatDataset([dataset(None), dataset(click_file)])
    warn_of_unread_clicks(SimpleNamespace(head=SimpleNamespace(**head)), joined)
    assert len(lines) == said
    if said:
        assert lines[0].startswith('a.json: nothing is learned from these clicks, as the head has')
