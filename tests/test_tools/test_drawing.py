"""tools/analysis/visualize.py and plot_sensitivity.py: pictures, and mistakes in one line."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from asl_mmaction.models.sensitivity import ClassSensitivity

FOLDER = Path(__file__).parents[2] / 'tools' / 'analysis'
CONFIG = """
model = dict(head=dict(
    num_classes=2, sensitivity=dict(class_level=dict(type='ClassSensitivity', num_loc=2))))
"""


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run a tool in a folder with a training of two classes; what it printed, or its one error."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'c.py').write_text(CONFIG)
    state = ClassSensitivity(num_classes=2).state_dict()
    state = {f'head.sensitivity.class_level.{name}': value for name, value in state.items()}
    meta = {'dataset_meta': {'classes': ['a', 'b']}}
    torch.save({'state_dict': state, 'meta': meta}, tmp_path / 'c.pth')
    write('d.json', {'results': {'v': [{'label': 'a', 'segment': [1, 2], 'score': 0.9}]}})
    annotations = [{'label': 'a', 'segment': [1, 2]}]
    write('a.json', {'database': {'v': {'duration': 9, 'annotations': annotations}}})

    def call(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        monkeypatch.setattr(sys, 'argv', [name])
        try:
            code = tool.main(list(arguments))
        except SystemExit as end:
            code = end.code
        out, error = capsys.readouterr()
        if code == 0:
            return out
        (line,) = error.splitlines()
        assert code == 2
        assert not list(tmp_path.rglob('*.png'))
        return line

    return call


def write(name, content):
    Path(name).write_text(json.dumps(content))


def test_timelines(run):
    said = run('visualize', 'd.json', 'a.json', '--out', 'out', '--sensitivity', 'c.py', 'c.pth')
    assert said == 'wrote 1 pictures to out\n'
    assert [path.name for path in Path('out').iterdir()] == ['v.png']


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('d.json', {'results': {'v': [{'segment': [1, 2], 'score': 1}]}}, "'v': expected results"),
        ('d.json', {'version': 1}, "expected 'results' by video but got no 'results'"),
        ('a.json', {'version': 1}, "expected 'database' by video but got no 'database'"),
        ('a.json', {'database': {'v': {'annotations': []}}}, "video 'v': expected duration and"),
    ],
)
def test_timelines_of_a_wrong_file(run, file, content, message):
    write(file, content)
    line = run('visualize', 'd.json', 'a.json')
    assert f'{file}: ' in line
    assert message in line


def test_timelines_of_other_classes_or_videos(run):
    assert "expected a video of d.json but got 'w'" in run(
        'visualize', 'd.json', 'a.json', '--videos', 'w'
    )
    annotations = [{'label': 'x', 'segment': [1, 2]}]
    write('a.json', {'database': {'v': {'duration': 9, 'annotations': annotations}}})
    line = run('visualize', 'd.json', 'a.json', '--sensitivity', 'c.py', 'c.pth')
    assert "a.json: video 'v': expected the classes of c.pth but got 'x'" in line


def test_gaussians(run):
    write('p.json', {'planted': {'a': 0.25}})
    said = run('plot_sensitivity', 'c.py', 'c.pth', '--planted', 'p.json', '--out', 's.png')
    assert said.startswith('a: cls mu +0.000 sigma 1.000, loc mu -0.500')
    assert Path('s.png').is_file()


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('num_loc=2', 'num_loc=1', 'c.pth are missing, unknown or of another shape'),
        ('num_classes=2', 'num_classes=3', 'expected 3 classes (model.head.num_classes) but got 2'),
        ('head=', 'neck=', 'but got no such entry in the config'),
    ],
)
def test_gaussians_of_another_config(run, old, new, message):
    Path('c.py').write_text(CONFIG.replace(old, new))
    assert message in run('plot_sensitivity', 'c.py', 'c.pth')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], 'p.json: expected a non-empty JSON object'),
        ({'classes': []}, "p.json: expected 'planted': class -> moment but got no 'planted'"),
        ({'planted': {'a': 'x'}}, "p.json: expected a moment but got 'x'"),
        ({'planted': {'x': 0}}, "expected planted classes among ('a', 'b') but got ['x']"),
    ],
)
def test_planted_moments_that_are_none(run, content, message):
    write('p.json', content)
    assert message in run('plot_sensitivity', 'c.py', 'c.pth', '--planted', 'p.json')
