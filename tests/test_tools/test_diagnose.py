"""tools/analysis/diagnose.py and evaluate.py on two recordings that can be scored by hand."""

import json

import pytest

TRUTHS = {
    'a': [(0, 10, 'run'), (20, 30, 'jump')],
    'b': [(0, 10, 'run')],
}
FOUND = {
    'a': [(0, 9, 'run', 0.9), (21, 30, 'run', 0.8), (0, 8, 'run', 0.7), (60, 70, 'jump', 0.4)],
    'b': [],
}


@pytest.fixture
def folder(tmp_path):
    database = {
        name: {
            'duration': 100,
            'subset': 'test',
            'annotations': [{'segment': [s, e], 'label': label} for s, e, label in rows],
        }
        for name, rows in TRUTHS.items()
    }
    database['c'] = {'duration': 5, 'subset': 'training', 'annotations': []}
    content = {'classes': ['run', 'jump'], 'database': database}
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    write(tmp_path, FOUND)
    return tmp_path


def write(folder, found):
    results = {
        name: [{'segment': [s, e], 'label': label, 'score': score} for s, e, label, score in rows]
        for name, rows in found.items()
    }
    (folder / 'detections.json').write_text(json.dumps({'results': results}))


@pytest.fixture
def diagnose(load_tool, folder, capsys):
    tool = load_tool('analysis/diagnose')

    def run(*arguments):
        given = [str(folder), '--annotations', str(folder / 'annotations.json'), *arguments]
        assert tool.main(given) == 0
        return capsys.readouterr().out, json.loads((folder / 'diagnosis.json').read_text())

    return run


def test_the_numbers_by_hand(diagnose, folder):
    text, report = diagnose()
    # run: the first of two is found, at rank 1; jump: nothing.
    assert report['mAP'] == 0.25
    assert report['tiou_thresholds'] == [0.5]
    assert (report['recordings'], report['actions'], report['detections']) == (2, 3, 4)
    assert report['missed'] == pytest.approx(2 / 3)
    # Of three best, two of run and one of jump: correct, class and background.
    first = report['profile'][0]
    assert {kind: share for kind, share in first.items() if share} == pytest.approx(
        {'correct': 1 / 3, 'class': 1 / 3, 'background': 1 / 3}
    )
    # Without what is missed, run is found whole and jump has nothing to find.
    assert report['costs']['missed'] == pytest.approx(0.25)
    assert report['confused'] == [{'detected': 'run', 'is': 'jump', 'number': 1}]
    rows = report['groups']['same class in it']
    assert [(row['group'], row['actions']) for row in rows] == [('1', 3)]
    assert 'mAP 25.0 at tIoU 0.5\nof the best detections, one for each action, 33.3 % are' in text
    assert 'taken for another class: run for jump 1.0' in text
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines()[1:-1])) <= 80
    assert (folder / 'diagnosis.png').read_bytes().startswith(b'\x89PNG')


def test_a_long_row_goes_on_in_the_next_line(load_tool):
    in_lines = load_tool('analysis/diagnose').in_lines
    parts = [f'{10 * n}..{10 * n + 9}: 100' for n in range(1, 13)]
    lines = in_lines('mAP by length (s): ', parts, ' | ')
    assert 1 < len(lines) < 5
    assert max(map(len, lines)) <= 80
    assert ' '.join(map(str.strip, lines)) == f'mAP by length (s): {" | ".join(parts)}'
    assert in_lines('found: ', ['none'], ', ') == ['found: none']


def test_the_thresholds_are_those_of_the_metric(diagnose, folder):
    protocol = {'averages': {'mAP': [0.3, 0.95], 'x': [0.1]}, 'excluded_videos': ['b']}
    (folder / 'metrics.json').write_text(json.dumps({'protocol': protocol}))
    _, report = diagnose('--picture', str(folder / 'd.svg'))
    assert report['tiou_thresholds'] == [0.3, 0.95]
    assert report['recordings'] == 1
    assert report['mAP'] == 0.25  # run: 1 at the first threshold and 0 at the second
    assert (folder / 'd.svg').exists()
    _, report = diagnose('--tiou', '0.7', '0.5', '0.7')
    assert report['tiou_thresholds'] == [0.5, 0.7]
    _, report = diagnose('--tiou', '0.05')
    assert report['tiou_thresholds'] == [0.05]


def test_edges_of_detad(diagnose):
    _, report = diagnose('--edges', 'thumos14')
    (row,) = report['groups']['length (s)']
    assert (row['group'], row['actions']) == ('10', 3)
    assert row['missed'] == pytest.approx(2 / 3)


def test_a_recording_without_results_is_told(diagnose, folder):
    write(folder, {'a': FOUND['a']})
    text, report = diagnose()
    assert report['recordings_without_results'] == ['b']
    assert "1 recordings without results, as 'b': nothing found" in text


def test_evaluate_gives_the_metrics(load_tool, folder, capsys):
    tool = load_tool('analysis/evaluate')
    given = [str(folder / 'detections.json'), str(folder / 'annotations.json')]
    out = folder / 'metrics.json'
    assert tool.main([*given, '--tiou', '0.5', '--recall', '1', '--out', str(out)]) == 0
    report = json.loads(out.read_text())
    # run: one of two found by its best two a video; jump: none.
    assert report['metrics'] == {'mAP': 0.25, 'mAP@0.50': 0.25, 'Recall@1x@0.50': 0.25}
    assert report['protocol']['videos'] == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].split() == ['all', '3', '4', '25.0', '25.0', '25.0']
    assert tool.main([*given, '--subset', 'test', '--exclude', 'b']) == 0
    assert ' 50.0' in capsys.readouterr().out


def test_a_name_in_another_normal_form_is_told(load_tool, folder, capsys):
    content = json.loads((folder / 'annotations.json').read_text())
    content['database']['\xe9'] = content['database'].pop('b')
    (folder / 'annotations.json').write_text(json.dumps(content))
    write(folder, {'e\u0301': []})
    with pytest.raises(SystemExit):
        load_tool('analysis/evaluate').main(
            [str(folder / 'detections.json'), str(folder / 'annotations.json')]
        )
    assert r"the first of 1; '\xe9' is there: 'e\u0301' in another" in capsys.readouterr().err


@pytest.mark.parametrize(
    ('found', 'message'),
    [
        ({'z': []}, "expected videos of {}/annotations.json but got 'z', the first of 1"),
        ({'a': [(0, 1, 'Run', 0.5)]}, "video 'a': expected one of 2 classes (run, jump) but got"),
        ({'a': [(0, float('nan'), 'run', 0.5)]}, "video 'a': expected"),
    ],
)
@pytest.mark.parametrize('name', ['diagnose', 'evaluate'])
def test_mistakes_end_in_one_line(load_tool, folder, capsys, name, found, message):
    write(folder, found)
    tool = load_tool(f'analysis/{name}')
    given = {
        'diagnose': [str(folder), '--annotations', str(folder / 'annotations.json')],
        'evaluate': [str(folder / 'detections.json'), str(folder / 'annotations.json')],
    }
    with pytest.raises(SystemExit):
        tool.main(given[name])
    error = capsys.readouterr().err
    assert message.format(folder) in error
    assert error.count('\n') == 1


def test_nothing_to_find_is_no_diagnosis(load_tool, folder, capsys):
    path = folder / 'annotations.json'
    content = json.loads(path.read_text())
    for video in content['database'].values():
        video['annotations'] = []
    path.write_text(json.dumps(content))
    with pytest.raises(SystemExit):
        load_tool('analysis/diagnose').main([str(folder), '--annotations', str(path)])
    assert f'expected actions in the 2 recordings of {folder}' in capsys.readouterr().err
    assert not (folder / 'diagnosis.json').exists()


def test_a_folder_without_results_is_told_what_writes_them(load_tool, folder, capsys):
    (folder / 'detections.json').unlink(missing_ok=True)
    with pytest.raises(SystemExit):
        load_tool('analysis/diagnose').main(
            [str(folder), '--annotations', str(folder / 'annotations.json')]
        )
    error = capsys.readouterr().err
    assert f'expected detections.json in {folder}, as tools/test.py --out writes it, but' in error
    path = folder / 'detections.json'
    with pytest.raises(SystemExit):
        load_tool('analysis/evaluate').main([str(path), str(folder / 'annotations.json')])
    assert capsys.readouterr().err.endswith(
        f'expected detections, as tools/test.py --out DIR writes into DIR/detections.json, but got '
        f'{path}, which does not exist\n'
    )
