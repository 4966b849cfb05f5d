"""tools/data/clicks.py: both commands, from files to a file that the dataset reads."""

import json

import pytest

from asl_mmaction.datasets.preparation import context
from asl_mmaction.files.clicks import read_click_file


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('data/clicks')


@pytest.fixture(scope='module')
def annotations(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clicks') / 'data'
    context.generate(folder, num_train=4, num_test=2)
    return folder / 'annotations.json'


def test_simulate(tool, annotations, tmp_path, capsys):
    out = tmp_path / 'clicks.json'
    options = ['--out', str(out), '--seed', '0', '--min-gap', '0']
    assert tool.main(['simulate', str(annotations), *options]) == 0
    printed = capsys.readouterr().out
    clicks, simulated = read_click_file(out)
    assert simulated
    assert clicks == read_click_file(annotations.parent / 'background_clicks.json').clicks
    assert f'{sum(map(len, clicks.values()))}\n' in printed
    assert json.loads(out.read_text())['simulated']['keep'] == 'all'
    tool.main(['simulate', str(annotations), '--out', str(out)])
    assert json.loads(out.read_text())['simulated']['min_gap'] == 0.4  # one step


def test_convert_several_into_one(tool, annotations, tmp_path, capsys):
    background, actions = tmp_path / 'a.csv', tmp_path / 'b.txt'
    background.write_text('\ufeffURLID,Start\ntraining_0000,1.5\n')
    actions.write_text('training_0001,2.0,swim\n\nnowhere,1.0,ski\n')
    out = tmp_path / 'clicks.json'
    sources = [str(background), str(actions)]
    tool.main(['convert', *sources, '--annotations', str(annotations), '--out', str(out)])
    assert read_click_file(out).clicks == {
        'training_0000': [(1.5, None)],
        'training_0001': [(2.0, 'swim')],
    }
    printed = capsys.readouterr().out
    assert 'of unknown videos' in printed
    points = tmp_path / 'points.csv'
    points.write_text('class,video_id,point\nski,v,30\n')
    tool.main(['convert', str(points), '--fps', '15', '--out', str(out)])
    assert read_click_file(out).clicks == {'v': [(2.0, 'ski')]}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            ['simulate', '{annotations}', '--subset', 'train'],
            "['test', 'training'] but got 'train'",
        ),
        (['simulate', 'nowhere.json'], 'nowhere.json, which does not exist'),
        (['convert', 'nowhere.txt'], 'nowhere.txt, which does not exist'),
        (['convert', __file__], 'expected columns URLID, Start'),
        (['convert', '{annotations}'], 'expected a list of clicks but got'),
        (['ask', 'backtal_context_demo', 'nowhere.pth'], 'nowhere.pth, which does not exist'),
    ],
)
def test_mistakes_are_one_line(tool, annotations, tmp_path, capsys, options, message):
    options = [option.replace('{annotations}', str(annotations)) for option in options]
    with pytest.raises(SystemExit):
        tool.main([*options, '--out', str(tmp_path / 'x.json')])
    assert message in capsys.readouterr().err
