"""Verb and noun detections joined to actions, through the command line."""

import importlib.util
import json
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'epic_actions.py'
PREPARE = Path(__file__).parents[2] / 'tools' / 'data' / 'epic100' / 'prepare.py'
EPIC = Path(__file__).parents[3] / 'shared' / 'data' / 'epic100'
CLASSES = {'verb': ['take', 'put'], 'noun': ['cup', 'pan', 'lid']}
# (video, start, end, verb, noun)
TRUTHS = [('a', 0, 10, 0, 1), ('a', 20, 30, 1, 0), ('b', 0, 10, 0, 1)]


def write(folder, task, found, truths=TRUTHS):
    """Annotations and detections [(video, start, end, label, score)] of a task."""
    column = 3 if task == 'verb' else 4
    database = {'other': {'subset': 'training', 'annotations': []}}
    for truth in truths:
        video = database.setdefault(truth[0], {'subset': 'validation', 'annotations': []})
        name = CLASSES[task][truth[column]]
        video['annotations'].append(
            {'segment': list(truth[1:3]), 'label': name, 'label_id': truth[column]}
        )
    content = {'classes': CLASSES[task], 'database': database}
    (folder / f'annotations_{task}.json').write_text(json.dumps(content))
    results = {}
    for video, start, end, label, score in found:
        row = {'label': CLASSES[task][label], 'segment': [start, end], 'score': score}
        results.setdefault(video, []).append(row)
    (folder / f'{task}.json').write_text(json.dumps({'results': results}))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path, capsys):
    """Run the tool on the files in ``tmp_path``: its exit code, what it printed, its errors."""
    tool = load(TOOL)

    def call(*options):
        annotations = [
            f'--{task}-annotations={tmp_path}/annotations_{task}.json' for task in CLASSES
        ]
        files = [tmp_path / 'verb.json', tmp_path / 'noun.json']
        code = tool.main([str(option) for option in (*files, *annotations, *options)])
        return code, *capsys.readouterr()

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
    assert report['protocol']['classes'] == {'verb': 2, 'noun': 2, 'action': 2}
    assert (report['protocol']['videos'], report['protocol']['ground_truths']) == (2, 3)
    first, second = report['results']['a']
    assert (first['label'], first['verb'], first['noun']) == ('take pan', 0, 1)
    assert first['score'] == pytest.approx(0.81)
    assert second['label'] == 'put lid'
    assert 'action     2 classes  25.00  25.00  25.00' in printed
    assert '2 videos, 3 ground truths' in printed


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
    assert code == 1
    assert "expected videos of the subset but got 'z'" in error
    write(tmp_path, 'noun', [], truths=TRUTHS[1:])
    assert "video 'a': expected the same segments of verbs and nouns" in run()[2]
    assert "expected videos of subset 'test'" in run('--subset', 'test')[2]


@pytest.mark.skipif(not EPIC.is_dir(), reason='needs the EPIC-Kitchens-100 annotations')
def test_real_ground_truth_found_perfectly(tmp_path, run):
    assert load(PREPARE).main([str(EPIC), '--as-published', '--out', str(tmp_path)]) == 0
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
    assert report['protocol']['ground_truths'] == 9668
    assert report['metrics']['verb']['mAP'] == report['metrics']['noun']['mAP'] == 1
    # Where two narrations have the same times, their verbs and nouns cross.
    assert 0.95 < report['metrics']['action']['mAP'] <= 1
