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


def test_classes_of_the_annotations_may_be_its_labels(tool, annotations, tmp_path, capsys):
    content = json.loads(annotations.read_text())
    del content['classes']
    plain, source, out = tmp_path / 'plain.json', tmp_path / 'a.txt', tmp_path / 'clicks.json'
    plain.write_text(json.dumps(content))
    source.write_text('training_0001,2.0,swim\n')
    options = ['convert', str(source), '--out', str(out)]
    tool.main([*options, '--annotations', str(plain)])
    assert read_click_file(out).clicks == {'training_0001': [(2.0, 'swim')]}
    source.write_text('training_0001,2.0,swum\n')
    with pytest.raises(SystemExit):
        tool.main([*options, '--annotations', str(plain)])
    assert f'error: {source}:1: expected one of' in capsys.readouterr().err
    plain.write_text('{"database": []}')
    with pytest.raises(SystemExit):
        tool.main([*options, '--annotations', str(plain)])
    assert f"error: {plain}: expected an object with a 'database'" in capsys.readouterr().err


def test_a_list_of_moments_is_not_replaced(tool, tmp_path, capsys):
    out = tmp_path / 'asked.csv'
    out.write_text('answers')
    for place, message in ((out, 'perhaps with answers'), (out / 'x.csv', 'a folder to write')):
        with pytest.raises(SystemExit):
            tool.main(['ask', 'backtal_context_demo', 'nowhere.pth', '--out', str(place)])
        assert message in capsys.readouterr().err
    assert out.read_text() == 'answers'


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('', 'it is empty'),
        ('training_0000,1,\nv,1,ski\n', '2 clicks in the source, 1 not answered, 1 of unknown'),
    ],
)
def test_no_click_at_all_is_a_mistake(tool, annotations, tmp_path, capsys, text, why):
    source, out = tmp_path / 'asked.csv', tmp_path / 'clicks.json'
    source.write_text(f'video,time,label\n{text}')
    options = ['convert', str(source), '--annotations', str(annotations), '--out', str(out)]
    with pytest.raises(SystemExit):
        tool.main(options)
    expected = f'error: {source}: expected a click to keep but got none ({why}'
    assert expected in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main(['simulate', str(annotations), '--min-gap', '1000', '--out', str(out)])
    assert "expected a click in the 4 videos of 'training' but none" in capsys.readouterr().err
    assert not out.exists()


def test_what_is_read_is_not_replaced(tool, annotations, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / 'answers.csv'
    source.write_text('video,time,label\ntraining_0000,1.0,background\n')
    before = source.read_text(), annotations.read_text()
    convert = ['convert', str(source), '--annotations', str(annotations)]
    for options, out in (
        (convert, 'answers.csv'),  # the same by another path
        (convert, str(annotations)),
        (['simulate', str(annotations)], str(annotations)),
    ):
        with pytest.raises(SystemExit):
            tool.main([*options, '--out', out])
        assert 'expected --out to be another file than /' in capsys.readouterr().err
    assert (source.read_text(), annotations.read_text()) == before


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
