"""tools/analysis/plot_clicks.py: counts of clicks by hand, and what cannot be drawn."""

import json

import pytest


@pytest.fixture
def tool(load_tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return load_tool('analysis/plot_clicks')


CONFIG = """
train_dataloader = dict(
    dataset=dict(
        data_root='data/', ann_file='a.json', subset='training', supervision='{supervision}',
        click_file={click_file!r},
    )
)
"""


@pytest.fixture
def runs(tmp_path):
    """Runs with no clicks, with clicks on background, on actions, and on both; two videos."""
    data = tmp_path / 'data'
    data.mkdir()
    video = {'duration': 9.0, 'annotations': []}
    database = {name: video | {'subset': 'training'} for name in ('v', 'w')}
    database['t'] = video | {'subset': 'test'}
    (data / 'a.json').write_text(json.dumps({'classes': ['x'], 'database': database}))
    background, action = [{'time': float(i), 'label': label} for i, label in enumerate((None, 'x'))]
    files = {
        'bg.json': {'v': [background] * 3, 't': [background] * 5},
        'act.json': {'v': [action], 'w': [action] * 3},
        'all.json': {'v': [background, action]},
    }
    for name, clicks in files.items():
        (data / name).write_text(json.dumps({'source': 's', 'database': clicks}))
    for row, file in dict(none=None, bg='bg.json', act='act.json', both='all.json').items():
        for seed, value in enumerate((0.5, 0.7)):
            folder = tmp_path / row / f'seed_{seed}'
            folder.mkdir(parents=True)
            supervision = 'click' if file else 'video'
            text = CONFIG.format(supervision=supervision, click_file=file)
            (folder / 'config.py').write_text(text)
            (folder / 'metrics.json').write_text(json.dumps({'metrics': {'mAP': value}}))
    return tmp_path


def test_lines_by_hand(tool, runs, capsys):
    assert tool.main(['both', 'act', 'bg', 'none', '--out', 'c.svg']) == 0
    lines = capsys.readouterr().out.splitlines()
    # 3 clicks in two videos, those of the test video do not count; 4; 2
    numbers = [(line[:22].strip(), float(line[22:29])) for line in lines[:-1]]
    assert numbers == [
        ('background clicks', 0.0),
        ('background clicks', 1.5),
        ('action clicks', 0.0),
        ('action clicks', 2.0),
        ('both kinds of clicks', 0.0),
        ('both kinds of clicks', 1.0),
    ]
    assert lines[1].endswith(' a video   60.0 (50.0 / 70.0)')
    assert lines[-1] == 'wrote c.svg'
    drawn = (runs / 'c.svg').read_text()
    assert all(f'>{kind}<' in drawn for kind in tool.KINDS)


def test_a_training_set_may_be_of_several_subsets(tool, runs, capsys):
    for folder in (runs / 'bg').iterdir():
        config = folder / 'config.py'
        config.write_text(config.read_text().replace("'training'", "['training', 'test']"))
    assert tool.main(['bg', '--out', 'c.svg']) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert float(line[22:29]) == 2.67  # 8 clicks in three videos


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none'], 'expected runs with clicks but got none'),
        (['bg', '--key', 'AUC'], 'expected --key of mAP but got AUC'),
        (['missing'], 'metrics.json'),
    ],
)
def test_mistakes_end_in_one_line(tool, runs, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        tool.main(arguments)
    assert message in capsys.readouterr().err


def test_seeds_of_one_run_have_one_kind_of_clicks(tool, runs, capsys):
    text = CONFIG.format(supervision='click', click_file='act.json')
    (runs / 'bg' / 'seed_1' / 'config.py').write_text(text)
    with pytest.raises(SystemExit, match='2'):
        tool.main(['bg'])
    assert 'expected one kind of clicks in all seeds' in capsys.readouterr().err
    (runs / 'bg' / 'seed_1' / 'config.py').unlink()
    with pytest.raises(SystemExit, match='2'):
        tool.main(['bg'])
    assert 'expected one config in bg/seed_1 but got 0' in capsys.readouterr().err
