"""Verb and noun detections joined to actions, through the command line."""

import importlib.util
import json
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'epic_actions.py'
PREPARE = Path(__file__).parents[2] / 'tools' / 'data' / 'epic100' / 'prepare.py'
CLASSES = {'verb': ['take', 'put'], 'noun': ['cup', 'pan', 'lid']}
# The last one is of another subset.
ACTIONS = ['take pan', 'put cup', 'put lid']
# (video, start, end, verb, noun)
TRUTHS = [('a', 0, 10, 0, 1), ('a', 20, 30, 1, 0), ('b', 0, 10, 0, 1)]


def write(folder, task, found, truths=TRUTHS, **marks):
    """Annotations and detections [(video, start, end, label, score)] of a task."""
    for name in (task, 'action'):
        database = {'other': {'subset': 'training', 'duration': 99, 'annotations': []}}
        for video, start, end, verb, noun in truths:
            labels = {'verb': CLASSES['verb'][verb], 'noun': CLASSES['noun'][noun]}
            labels['action'] = ' '.join(labels.values())
            empty = {'subset': 'validation', 'duration': 99, 'annotations': []}
            item = {'segment': [start, end], 'label': labels[name]}
            database.setdefault(video, empty)['annotations'].append(item)
        content = {'classes': CLASSES.get(name, ACTIONS), 'database': database}
        (folder / f'annotations_{name}.json').write_text(json.dumps(content))
    results = {video: [] for video, *_ in truths}
    for video, start, end, label, score in found:
        row = {'label': CLASSES[task][label], 'segment': [start, end], 'score': score}
        results.setdefault(video, []).append(row)
    (folder / f'{task}.json').write_text(json.dumps({'results': results, **marks}))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Run the tool on the files in ``tmp_path``: its exit code, what it printed, its errors."""
    monkeypatch.syspath_prepend(TOOL.parent)
    tool = load(TOOL)

    def call(*options):
        annotations = [
            f'--{task}-annotations={tmp_path}/annotations_{task}.json'
            for task in (*CLASSES, 'action')
        ]
        files = [tmp_path / 'verb.json', tmp_path / 'noun.json']
        try:
            code = tool.main([str(option) for option in (*files, *annotations, *options)])
        except SystemExit as end:
            code = end.code
        out, error = capsys.readouterr()
        assert error.count('\n') == (code == 2)
        return code, out, error

    return call


def test_by_hand(tmp_path, run):
    write(tmp_path, 'verb', [('a', 0, 10, 0, 0.9), ('a', 20, 30, 1, 0.8), ('b', 0, 10, 1, 0.7)])
    write(tmp_path, 'noun', [('a', 0, 10, 1, 0.9), ('a', 20, 30, 2, 0.8), ('b', 0, 10, 1, 0.7)])
    code, printed, _ = run('--out', tmp_path / 'out.json', '--tious', '0.5', '0.9')
    assert code == 0
    report = json.loads((tmp_path / 'out.json').read_text())
    # verb 0: 1 of 2; verb 1: right, wrong. Noun 1: both; noun 0 is missed; noun 2 is not there.
    # Action (0, 1): 1 of 2; action (1, 0): missed.
    assert report['metrics']['verb']['mAP@'] == pytest.approx([0.75, 0.75])
    assert report['metrics']['noun']['mAP@'] == pytest.approx([0.5, 0.5])
    assert report['metrics']['action']['mAP@'] == pytest.approx([0.25, 0.25])
    assert report['metrics']['action']['mAP'] == pytest.approx(0.25)
    for task in (*CLASSES, 'action'):
        assert report['protocol'][task] == {'classes': 2, 'ground_truths': 3}
    assert report['protocol']['videos'] == 2
    assert 'simulated' not in report['protocol']
    first, second = report['results']['a']
    assert (first['label'], first['verb'], first['noun']) == ('take pan', 0, 1)
    assert first['score'] == pytest.approx(0.81)
    assert second['label'] == 'put lid'
    assert 'action  25.00  25.00  25.00   2 classes, 3 segments' in printed
    assert '2 videos' in printed
    assert 'SIMULATED' not in printed


def test_a_name_in_another_normal_form_is_told(tmp_path, run):
    for task in CLASSES:
        write(tmp_path, task, [], [('caf\xe9', 0, 10, 1, 0)])
    text = (tmp_path / 'noun.json').read_text().replace('caf\\u00e9', 'cafe\\u0301')
    (tmp_path / 'noun.json').write_text(text)
    code, _, error = run()
    assert code == 2
    assert 'noun.json: expected results of all 1 videos' in error
    assert "'cafe\\u0301' is there: 'caf\\xe9' in another Unicode normal form" in error


def test_actions_without_ground_truth_do_not_count(tmp_path, run):
    # (1, 2) is a class of the annotations, (0, 2) is none; the better detections are of these two.
    truths = [('a', 0, 10, 1, 0)]
    write(tmp_path, 'verb', [('a', 0, 10, 1, 0.9), ('a', 0, 10, 0, 0.8)], truths)
    write(tmp_path, 'noun', [('a', 0, 10, 0, 0.5), ('a', 0, 10, 2, 0.9)], truths)
    assert run('--out', tmp_path / 'out.json', '--tious', '0.5')[0] == 0
    report = json.loads((tmp_path / 'out.json').read_text())
    assert report['metrics']['action']['mAP'] == 1
    assert report['protocol']['action'] == {'classes': 1, 'ground_truths': 1}
    assert len(report['results']['a']) == 4


def test_actions_that_the_limit_leaves_out_are_counted(tmp_path, run):
    found = [('a', 30 * i, 30 * i + 10, 0, score) for i, score in enumerate((0.9, 0.8, 0.7, 0.2))]
    write(tmp_path, 'verb', found)
    write(tmp_path, 'noun', found)
    code, printed, _ = run('--out', tmp_path / 'out.json', '--max-per-video', '1')
    assert code == 0
    # 0.64 and 0.49 are above 0.1, 0.04 is not.
    assert printed.splitlines()[-1] == (
        '--max-per-video 1 left out 2 actions that score above 0.1 in 1 of 2 videos, the most (2) '
        "in video 'a'"
    )
    results = json.loads((tmp_path / 'out.json').read_text())['results']
    assert [row['score'] for row in results['a']] == pytest.approx([0.81])
    assert 'left out' not in run('--max-per-video', '3')[1]


def test_simulated_stays_said(tmp_path, run):
    write(tmp_path, 'verb', [('a', 0, 10, 0, 0.9)], simulated=True)
    write(tmp_path, 'noun', [('a', 0, 10, 1, 0.9)])
    assert 'SIMULATED' in run('--out', tmp_path / 'out.json')[1]
    assert json.loads((tmp_path / 'out.json').read_text())['protocol']['simulated'] is True


def test_the_same_action_twice_is_lowered(tmp_path, run):
    write(tmp_path, 'verb', [('a', 0, 10, 0, 0.9), ('a', 0, 10, 0, 0.8)])
    write(tmp_path, 'noun', [('a', 0, 10, 1, 1.0)])
    assert run('--out', tmp_path / 'out.json', '--sigma', '0.5')[0] == 0
    scores = [
        row['score'] for row in json.loads((tmp_path / 'out.json').read_text())['results']['a']
    ]
    assert scores == pytest.approx([0.9, 0.8 * 2.718281828459045**-2])


def test_mistakes_are_named(tmp_path, run):
    write(tmp_path, 'verb', [('z', 0, 10, 0, 0.9)])
    write(tmp_path, 'noun', [])
    code, _, error = run()
    assert code == 2
    assert "verb.json: expected videos of the subset but got 'z'" in error
    write(tmp_path, 'verb', [])
    content = json.loads((tmp_path / 'annotations_action.json').read_text())
    content['classes'][1] = 'take off'
    (tmp_path / 'annotations_action.json').write_text(json.dumps(content))
    assert "expected classes of a verb and a noun but got 'take off'" in run()[2]
    assert "expected videos of subset 'test'" in run('--subset', 'test')[2]


ITEM = {'segment': [0, 1], 'label': 'take', 'score': 0.5}


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('verb', [], 'expected a non-empty JSON object but got list'),
        ('verb', {'a': 1}, "expected 'results' by video but got no 'results'"),
        ('verb', {'results': [1]}, "expected 'results' by video but got AttributeError"),
        ('verb', {'results': {}}, 'expected results of videos but got none'),
        ('verb', {'results': {'a': []}}, "of subset 'validation' but got none of 1, such as 'b'"),
        ('verb', {'results': {'a': [{**ITEM, 'segment': [1]}]}}, "video 'a': expected a segment"),
        (
            'verb',
            {'results': {'a': [{**ITEM, 'score': None}]}},
            "'a': expected a score but got None",
        ),
        ('verb', {'results': {'a': [{'segment': [0, 1], 'score': 1}]}}, "but got no 'label'"),
        ('annotations_verb', {'a': 1}, "expected an object with a 'database' of videos"),
        ('annotations_verb', {'database': {'a': {}}}, "video 'a': expected key 'duration' but got"),
        ('annotations_verb', {'database': {'a': {'duration': 0}}}, 'a duration > 0 but got 0'),
    ],
)
def test_a_file_of_another_form(tmp_path, run, file, content, message):
    for task in CLASSES:
        write(tmp_path, task, [])
    (tmp_path / f'{file}.json').write_text(json.dumps(content))
    code, _, error = run('--out', tmp_path / 'out.json')
    assert code == 2
    assert f'{tmp_path / file}.json: ' in error
    assert message in error
    assert not (tmp_path / 'out.json').exists()


def test_a_folder_is_no_file_to_write(tmp_path, run):
    code, _, error = run('--out', tmp_path)
    assert code == 2
    assert f'expected a file for --out but got {tmp_path}, which is a folder' in error


def test_real_ground_truth_found_perfectly(tmp_path, run, real_data):
    assert load(PREPARE).main([str(real_data('epic100')), '--out', str(tmp_path)]) == 0
    for task in CLASSES:
        content = json.loads((tmp_path / f'annotations_{task}.json').read_text())
        results = {
            name: [{**found, 'score': 1.0} for found in video['annotations']]
            for name, video in content['database'].items()
            if video['subset'] == 'validation'
        }
        (tmp_path / f'{task}.json').write_text(json.dumps({'results': results}))
    assert run('--out', tmp_path / 'out.json', '--min-tiou', '1')[0] == 0
    report = json.loads((tmp_path / 'out.json').read_text())
    assert all(report['protocol'][task]['ground_truths'] == 9668 for task in (*CLASSES, 'action'))
    assert report['metrics']['verb']['mAP'] == report['metrics']['noun']['mAP'] == 1
    # Where two narrations have the same times, their verbs and nouns cross.
    assert 0.95 < report['metrics']['action']['mAP'] <= 1
