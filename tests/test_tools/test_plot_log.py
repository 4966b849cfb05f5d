import json

import pytest


@pytest.fixture
def plot_log(load_tool):
    return load_tool('analysis/plot_log')


def write(run, losses, maps=(), key='HAPT/mAP'):
    path = run / '20260101_000000' / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    lines = [{'loss': x, 'iter': i, 'epoch': i, 'step': i} for i, x in enumerate(losses, 1)]
    lines += [{key: x, 'step': i} for i, x in enumerate(maps, 1)]
    path.write_text('\n'.join(map(json.dumps, lines)))


def test_seeds_and_runs(plot_log, tmp_path, capsys, monkeypatch):
    write(tmp_path / 'asl' / 'seed_0', [4, 2], [0.25, 0.5])
    write(tmp_path / 'asl' / 'seed_1', [6, 4, 1], [0.75, 0.5])
    write(tmp_path / 'bmn', [1])
    drawn = {}
    draw = plot_log.draw_curves

    def keep(panels, **options):
        drawn.update(panels)
        return draw(panels, **options)

    monkeypatch.setattr(plot_log, 'draw_curves', keep)
    out = tmp_path / 'curves.pdf'
    assert plot_log.main([str(tmp_path / 'asl'), str(tmp_path / 'bmn'), '--out', str(out)]) == 0
    assert capsys.readouterr().out == f'wrote {out}\n'
    assert out.read_bytes().startswith(b'%PDF')
    assert list(drawn['loss']) == ['asl', 'bmn']
    # Seed 1 has gone on for longer.
    assert drawn['loss']['asl'].values.tolist() == [[4, 2], [6, 4]]
    assert list(drawn['mAP']) == ['asl']
    assert drawn['mAP']['asl'].values.tolist() == [[0.25, 0.5], [0.75, 0.5]]


def test_without_a_validation_there_is_the_loss(plot_log, tmp_path, capsys):
    write(tmp_path / 'run', [2, 1])
    assert plot_log.main([str(tmp_path / 'run'), '--out', str(tmp_path / 'c.svg')]) == 0
    drawn = (tmp_path / 'c.svg').read_text()
    assert '>loss<' in drawn
    assert 'mAP' not in drawn


@pytest.mark.parametrize('key', ['mAP_strict', 'HAPT/AUC', 'AR@100', 'Recall@1x@0.50'])
def test_every_metric_is_in_percent(plot_log, tmp_path, key):
    write(tmp_path / 'run', [2, 1], [0.25, 0.5], key)
    out = tmp_path / 'c.svg'
    assert plot_log.main([str(tmp_path / 'run'), '--keys', key, '--out', str(out)]) == 0
    assert f'>{key} (%)<' in out.read_text()


def test_names_are_as_long_as_they_must_be(plot_log, tmp_path):
    runs = [tmp_path / 'a' / 'x', tmp_path / 'b' / 'x', tmp_path / 'y']
    assert [plot_log.name_of(run, runs) for run in runs] == ['a/x', 'b/x', 'y']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['run', '--keys', 'F1'], "expected --keys that a run has logged, ['loss'], but got F1"),
        (['run', 'run'], 'expected each run once but got'),
        (['nothing'], 'expected the log of a run'),
        (['run', '--out', 'x.gif', '--keys', 'loss'], 'ends in .png, .pdf, .svg but got x.gif'),
    ],
)
def test_mistakes_end_in_one_line(plot_log, tmp_path, monkeypatch, capsys, arguments, message):
    write(tmp_path / 'run', [1, 2])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        plot_log.main(arguments)
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1
