import json

import numpy as np
import pytest

from asl_mmaction.datasets.preparation import synthetic
from asl_mmaction.datasets.preparation.synthetic import (
    CLASSES,
    FEAT_DIM,
    GRID,
    MOMENTS,
    generate,
    make_video,
)
from asl_mmaction.datasets.tal_dataset import TALDataset


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('synthetic') / 'demo'
    generate(out, seed=5, num_train=30, num_test=6)
    return out


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_one_seed_gives_the_same_bytes(folder, tmp_path):
    generate(tmp_path / 'again', seed=5, num_train=30, num_test=6)
    assert files(tmp_path / 'again') == files(folder)
    generate(tmp_path / 'fewer', seed=5, num_train=1, num_test=1)
    fewer = files(tmp_path / 'fewer')
    name = (tmp_path / 'fewer' / 'features' / 'test_0000.npy').relative_to(tmp_path / 'fewer')
    assert fewer[name] == files(folder)[name]
    generate(tmp_path / 'other', seed=6, num_train=1, num_test=1)
    assert files(tmp_path / 'other')[name] != fewer[name]


def test_it_is_a_data_set(folder):
    content = json.loads((folder / 'annotations.json').read_text())
    assert content['planted'] == MOMENTS
    assert content['classes'] == list(CLASSES) == list(MOMENTS)
    assert all(-0.5 < place < 0.5 for place in MOMENTS.values())
    train = TALDataset('annotations.json', data_root=str(folder), subset='training')
    test = TALDataset('annotations.json', data_root=str(folder), subset='test')
    assert (len(train), len(test)) == (30, 6)
    labels = np.concatenate([s['labels'] for s in train])
    assert (np.bincount(labels, minlength=5) > 10).all()
    overlaps = 0
    for one in train:
        assert one['grid'] == GRID
        feature = np.load(one['feature_path'])
        assert feature.shape == (GRID.num_steps(one['duration']), FEAT_DIM)
        assert 128 <= len(feature) <= 384
        np.testing.assert_array_equal(one['segments'], one['scored_segments'])  # all in the video
        steps = np.diff(one['segments'], axis=1) * GRID.fps / GRID.feat_stride
        assert ((steps > 7.99) & (steps < 64.01)).all()
        following = zip(one['segments'], one['segments'][1:], one['labels'], one['labels'][1:],
                        strict=False)  # fmt: skip
        for (_, end), (start, _), label, next_label in following:
            overlaps += start < end
            assert start >= end or label != next_label
    assert 10 < overlaps < len(labels) / 2


def test_the_moment_lies_where_the_record_says(monkeypatch):
    for name in ('WHITE_NOISE', 'DRIFT_NOISE', 'DISTRACTORS_PER_STEP', 'OVERLAP_CHANCE'):
        monkeypatch.setattr(synthetic, name, 0.0)
    directions = synthetic._directions(5)
    np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-12)
    found = {name: [] for name in CLASSES}
    for index in range(20):
        feature, _, annotations = make_video(5, 0, index)
        columns = feature @ directions.T  # (T, columns)
        for annotation in annotations:
            start, end = (GRID.to_grid(second) for second in annotation['segment'])
            inside = np.arange(np.ceil(start), np.floor(end) + 1).astype(int)
            inside = inside[(inside >= 0) & (inside < len(feature))]
            place = inside[columns[inside, annotation['label_id']].argmax()]
            position = (place - (start + end) / 2) / (end - start)
            found[annotation['label']].append(position)
            # nothing else tells the class
            others = np.delete(columns[inside][:, :5], annotation['label_id'], axis=1)
            assert np.abs(others).max() < 0.1
    for name, positions in found.items():
        assert len(positions) > 5
        assert np.mean(positions) == pytest.approx(MOMENTS[name], abs=0.02)


def bump(steps, centre, width):
    return np.exp(-0.5 * ((steps - centre) / width) ** 2)


def test_an_action_is_its_edges_its_level_and_its_moment(monkeypatch):
    """The sequences without what is random in them, from the docstring and the constants' table."""
    for name in ('WHITE_NOISE', 'DRIFT_NOISE', 'DISTRACTORS_PER_STEP'):
        monkeypatch.setattr(synthetic, name, 0.0)
    for name in ('AMPLITUDE_SPREAD', 'MOMENT_JITTER'):
        monkeypatch.setattr(synthetic, name, 0.0)
    place = {'early': 0.2, 'rising': 0.35, 'middle': 0.5, 'falling': 0.7, 'late': 0.85}
    assert tuple(place) == CLASSES
    for index in range(5):
        feature, _, annotations = make_video(5, 1, index)
        steps = np.arange(len(feature))
        expected = np.zeros((len(feature), 8))
        for annotation in annotations:
            # Steps of 0.4 s, each of a clip of 0.8 s
            start, end = ((10 * second - 4) / 4 for second in annotation['segment'])
            length = end - start
            width = max(0.05 * length, 0.8)
            moment = start + place[annotation['label']] * length
            expected[:, CLASSES.index(annotation['label'])] += 4 * bump(steps, moment, width)
            expected[:, 5] += 3 * bump(steps, start + 0.06 * length, width)
            expected[:, 6] += 3 * bump(steps, end - 0.06 * length, width)
            expected[(steps >= start) & (steps <= end), 7] += 1
        found = feature @ synthetic._directions(5).T
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_what_is_random():
    rng = np.random.default_rng(0)
    noise = synthetic._noise(rng, 4000)  # (4000, 24): white 0.7 and, with a memory of 0.95, 0.4
    assert noise.var() == pytest.approx(0.49 + 0.16, rel=0.05)
    for lag in (1, 5):
        product = (noise[lag:] * noise[:-lag]).mean()
        assert product == pytest.approx(0.16 * 0.95**lag, rel=0.1)
    assert noise.mean() == pytest.approx(0, abs=0.05)

    steps = np.arange(200.0)
    tall = [synthetic._distractors(rng, steps).max(axis=0) for _ in range(2000)]
    tall = np.array(tall)  # (2000, columns)
    # One in 200 steps, of six kinds, none of which is an end or a level
    share = (tall > 0).mean(axis=0)
    np.testing.assert_allclose(share[:6], 1 - np.exp(-1 / 6), atol=0.04)
    assert (share[6:] == 0).all()
    # The tallest, at the middle of a step: 0.7 of an action's; two of a kind seldom meet
    heights = np.quantile(tall[:, :6], 0.95, axis=0)
    np.testing.assert_allclose(heights, 0.7 * np.array([4, 4, 4, 4, 4, 3]), rtol=0.05)


def test_the_benchmark_stays_what_it_is():
    """What docs/benchmarks.md measured: other numbers here would be another data set."""
    feature, duration, annotations = make_video(0, 0, 0)
    assert (len(feature), duration, len(annotations)) == (262, 105.378, 9)
    assert [(row['label'], row['segment']) for row in annotations[:3]] == [
        ('late', [3.827, 27.214]),
        ('early', [27.075, 30.277]),
        ('falling', [35.568, 39.766]),
    ]
    expected = [[0.506670, 0.704486, 0.211025], [-0.196761, 0.320257, 0.505213]]
    np.testing.assert_allclose(feature[[0, 100], :3], expected, rtol=0, atol=1e-4)


def test_wrong_settings(tmp_path):
    with pytest.raises(ValueError, match='at least one video per subset but got 0, 3'):
        generate(tmp_path / 'x', num_train=0, num_test=3)
    with pytest.raises(ValueError, match='expected seed >= 0 but got -1'):
        generate(tmp_path / 'x', seed=-1)
    assert not (tmp_path / 'x').exists()
