"""Results of several models on the same recordings: by hand, and what cannot be compared."""

import json
from pathlib import Path

import numpy as np
import pytest

from asl_mmaction.apis import evaluate
from asl_mmaction.apis.comparison import compare_results

VIDEOS = [f'v{index}' for index in range(8)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Eight recordings of an action each; two models find some of them, with false positives."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    database = {
        name: {
            'duration': 100.0,
            'subset': 'test',
            'annotations': [{'segment': [10.0, 20.0], 'label': 'ab'[index % 2]}],
        }
        for index, name in enumerate(VIDEOS)
    }
    database['t'] = {'duration': 9.0, 'subset': 'training', 'annotations': []}
    content = {'classes': ['a', 'b', 'c'], 'database': database}
    Path('annotations.json').write_text(json.dumps(content))
    for model, noise in (('good', 1.0), ('bad', 6.0)):
        write(
            model,
            {
                name: [
                    [
                        *sorted((10 + noise * rng.normal(), 20 + noise * rng.normal())),
                        'ab'[i % 2],
                        rng.random(),
                    ]
                    for _ in range(3)
                ]
                for i, name in enumerate(VIDEOS)
            },
        )
    return tmp_path


def write(model, found):
    Path(model).mkdir(exist_ok=True)
    rows = {
        name: [{'segment': [s, e], 'label': c, 'score': score} for s, e, c, score in items]
        for name, items in found.items()
    }
    Path(model, 'detections.json').write_text(json.dumps({'results': rows}))


def write_protocol(model, averages, excluded=(), classes=('a', 'b', 'c')):
    protocol = {'averages': averages, 'excluded_videos': list(excluded)}
    content = {'metrics': {}, 'per_class': dict.fromkeys(classes), 'protocol': protocol}
    Path(model, 'metrics.json').write_text(json.dumps(content))


def compare(*models, **options):
    runs = {name: [Path(name, 'detections.json')] for name in models}
    return compare_results(runs, Path('annotations.json'), **options)


def test_the_numbers_are_those_of_the_metric(folder):
    write_protocol('bad', {'mAP': [0.3, 0.7], 'loose': [0.1]}, ['v0'])
    found = compare('good', 'bad')  # the protocol that one of them tells
    assert found.averages == {'mAP': [0.3, 0.7], 'loose': [0.1]}
    assert (found.recordings, found.ground_truths) == (7, {'a': 3, 'b': 4, 'c': 0})
    for name, row in found.rows.items():
        report = evaluate(
            f'{name}/detections.json',
            'annotations.json',
            exclude=['v0'],
            tiou_thresholds=found.averages,
        )
        assert row.metrics == report['metrics']
        assert row.per_class == {
            label: entry['ap'] and entry['ap']['mAP']
            for label, entry in report['per_class'].items()
        }
    assert row.per_class['c'] is None
    good, bad = (found.rows[name] for name in ('good', 'bad'))
    assert good.differences == {}
    for name, difference in bad.differences.items():
        assert difference.value == bad.metrics[name] - good.metrics[name]


def test_the_interval_is_that_of_recordings_copied_for_true(folder):
    """Each resample written as a data set of its own, and scored by the metric."""
    options = dict(num_resamples=20, seed=1, tiou_thresholds=[0.5])
    difference = compare('good', 'bad', **options).rows['bad'].differences['mAP']
    schema = json.loads(Path('annotations.json').read_text())
    counts = np.random.default_rng(1).multinomial(8, np.full(8, 1 / 8), 20)
    drawn = []
    for row in counts:
        copies = {
            f'{name}_{copy}': name
            for name, count in zip(VIDEOS, row, strict=True)
            for copy in range(count)
        }
        database = {copy: schema['database'][name] for copy, name in copies.items()}
        Path('copied.json').write_text(json.dumps({**schema, 'database': database}))
        values = []
        for model in ('good', 'bad'):
            results = json.loads(Path(model, 'detections.json').read_text())['results']
            content = {'results': {copy: results[name] for copy, name in copies.items()}}
            Path('copied_results.json').write_text(json.dumps(content))
            report = evaluate('copied_results.json', 'copied.json', tiou_thresholds=[0.5])
            values.append(report['metrics']['mAP'])
        drawn.append(values[1] - values[0])
    # 25 detections of a class, of terms up to 1; and an interpolation.
    expected = np.percentile(drawn, [2.5, 97.5])
    assert expected[0] < expected[1]
    np.testing.assert_allclose(
        [difference.low, difference.high], expected, rtol=0, atol=200 * np.finfo(float).eps
    )


def test_seeds_are_averaged(folder):
    files = {name: Path(name, 'detections.json') for name in ('good', 'bad')}
    runs = {'both': list(files.values()), 'good': [files['good']]}
    found = compare_results(runs, Path('annotations.json'), num_resamples=50)
    alone = compare('good', 'bad', num_resamples=50)
    values = [alone.rows[name].metrics['mAP'] for name in files]
    assert found.rows['both'].seeds == 2
    assert found.rows['both'].metrics['mAP'] == np.mean(values)
    difference = found.rows['good'].differences['mAP']
    # (good + bad) / 2 is half as far from good as bad is, in each resample.
    assert difference.low == pytest.approx(-alone.rows['bad'].differences['mAP'].high / 2)


def test_a_model_beside_itself_differs_by_nothing(folder):
    Path('same').mkdir()
    Path('same/detections.json').write_text(Path('good/detections.json').read_text())
    assert compare('good', 'same').rows['same'].differences['mAP'] == (0, 0, 0)


def test_no_interval_of_one_recording(folder):
    write_protocol('good', {'mAP': [0.5]}, VIDEOS[1:])
    difference = compare('good', 'bad').rows['bad'].differences['mAP']
    assert (difference.low, difference.high) == (None, None)


def test_a_number_of_resamples_below_0_is_refused_before_files_are_read(folder):
    with pytest.raises(ValueError, match='expected 0 resamples or more but got -1'):
        compare('not there', num_resamples=-1)


def test_other_protocols_are_refused(folder):
    write_protocol('good', {'mAP': [0.5]})
    write_protocol('bad', {'mAP': [0.3]})
    with pytest.raises(ValueError, match=r'bad/metrics.json: expected the protocol of good, aver'):
        compare('good', 'bad')
    assert list(compare('good', 'bad', tiou_thresholds=[0.4]).averages.values()) == [[0.4]]
    write_protocol('bad', {'mAP': [0.5]}, ['v1'])
    with pytest.raises(ValueError, match=r"without the videos \[\], but got one without \['v1'\]"):
        compare('good', 'bad')
    write_protocol('bad', {})
    with pytest.raises(ValueError, match=r'bad/metrics.json: expected averages of a protocol but'):
        compare('good', 'bad')


def test_other_classes_are_refused(folder):
    write_protocol('good', {'mAP': [0.5]})
    write_protocol('bad', {'mAP': [0.5]}, classes=('a', 'b'))
    with pytest.raises(ValueError, match="of 3 classes, but got 2; 'c' is in one of them"):
        compare('good', 'bad')
    Path('good/metrics.json').unlink()
    with pytest.raises(ValueError, match=r'classes of annotations.json but got some of 2; '):
        compare('good', 'bad')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda found: found.pop('v3'), "videos of good/detections.json but got none of 'v3'"),
        (lambda found: found.update(t=[]), "but got more, as of 't': name the subset"),
    ],
)
def test_other_videos_are_refused(folder, change, message):
    content = json.loads(Path('bad/detections.json').read_text())
    change(content['results'])
    Path('bad/detections.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        compare('good', 'bad')
    if 'subset' in message:
        assert compare('good', 'bad', subsets=['test']).recordings == 8


def test_nothing_to_compare_is_refused(folder):
    with pytest.raises(ValueError, match='expected results to compare but got none'):
        compare()
    for name in ('good', 'bad'):
        write(name, {'t': []})
    with pytest.raises(ValueError, match=r'annotations.json: expected actions of the videos that'):
        compare('good', 'bad')


def test_simulated_results_say_so(folder):
    assert not compare('good', 'bad').simulated
    content = json.loads(Path('bad/detections.json').read_text())
    Path('bad/detections.json').write_text(json.dumps({**content, 'simulated': True}))
    assert compare('good', 'bad').simulated
