"""The context data: planted as described, and learnable from where its law says."""

import json

import numpy as np
import pytest

from asl_mmaction.datasets.preparation import context
from asl_mmaction.datasets.preparation.click_simulation import background_stretches
from asl_mmaction.files.clicks import read_click_file


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('context') / 'data'
    context.generate(folder, num_train=40, num_test=3)
    return folder


def test_features_hold_act_and_scene(data):
    """Mean projections on the planted directions, by hand: 3 / sqrt(2) of either in an action."""
    database = json.loads((data / 'annotations.json').read_text())['database']
    assert len(database) == 43
    acts, scenes, level = context._directions(0)
    planted = np.concatenate([acts, scenes, level[None]])
    np.testing.assert_allclose(planted @ planted.T, np.eye(9), atol=1e-12)
    inside, alike, heights, strays, levels = [], [], [], [], []
    for name, video in database.items():
        feature = np.load(data / 'features' / f'{name}.npy')
        assert len(feature) == context.GRID.num_steps(video['duration'])
        times = context.GRID.to_seconds(np.arange(len(feature)))
        shown = feature @ planted.T
        levels.append(shown[:, 8].mean())
        present = {item['label_id'] for item in video['annotations']}
        assert 1 <= len(present) <= 2
        for item in video['annotations']:
            (start, end), label = item['segment'], item['label_id']
            steps = (times >= start) & (times < end)
            inside.append(shown[steps][:, [label, 4 + label]].mean(axis=0))
            strays.append(shown[steps][:, [k for k in range(8) if k % 4 != label]].mean())
        segments = [item['segment'] for item in video['annotations']]
        for start, end in background_stretches(video['duration'], segments):
            steps = (times >= start) & (times < end)
            if steps.sum() >= 4:
                means = shown[steps].mean(axis=0)
                label = max(present, key=lambda k: means[4 + k])
                heights.append(means[4 + label])
                strays.append(means[:4].mean())
                alike.append((means[label] + means[4 + label]) / np.sqrt(2))
    np.testing.assert_allclose(np.mean(inside, axis=0), 3 / np.sqrt(2), atol=0.05)
    assert np.mean(strays) == pytest.approx(0, abs=0.05)
    assert np.mean(levels) == pytest.approx(3, abs=0.05)
    with_context = np.array(heights) > 2
    # five standard deviations of the share, and of the mean
    assert abs(with_context.mean() - 0.6) < 5 * np.sqrt(0.24 / len(heights))
    assert np.mean(np.array(heights)[with_context]) == pytest.approx(3.9, abs=0.1)
    # Along an action's direction, which is all that a click on one tells, context is much like it.
    assert np.mean(np.array(alike)[with_context]) == pytest.approx(3.9 / np.sqrt(2), abs=0.1)


def test_click_files(data):
    database = json.loads((data / 'annotations.json').read_text())['database']
    training = {name: v for name, v in database.items() if v['subset'] == 'training'}
    actions = sum(len(v['annotations']) for v in training.values())
    labels = {}
    for file in context.CLICK_FILES:
        clicks, simulated = read_click_file(data / file)
        assert simulated
        assert set(clicks) == set(training)
        labels[file] = [click.label for some in clicks.values() for click in some]
    assert set(labels['background_clicks.json']) == {None}
    assert len(labels['action_clicks.json']) == actions
    assert None not in labels['action_clicks.json']
    both = len(labels['background_clicks.json']) + actions
    assert len(labels['all_clicks.json']) == both


def test_one_seed_gives_the_same_bytes(data, tmp_path):
    context.generate(tmp_path / 'again', num_train=2, num_test=1)
    context.generate(tmp_path / 'other', num_train=2, num_test=1, seed=1)
    file = 'features/training_0001.npy'
    assert (tmp_path / 'again' / file).read_bytes() == (data / file).read_bytes()
    assert (tmp_path / 'other' / file).read_bytes() != (data / file).read_bytes()
    context.generate(tmp_path / 'again', num_train=1, num_test=1)  # replaces its own


def test_other_clicks_of_the_same_videos(data, tmp_path):
    """The seed of the clicks changes them alone; by the rule that the file tells."""
    context.generate(tmp_path / 'data', num_train=40, num_test=3, click_seed=5)
    for file in ('annotations.json', 'features/training_0001.npy'):
        assert (tmp_path / 'data' / file).read_bytes() == (data / file).read_bytes()
    for file in context.CLICK_FILES:
        content = json.loads((tmp_path / 'data' / file).read_text())
        assert content['simulated']['seed'] == 5
        assert content['database'] != json.loads((data / file).read_text())['database']


@pytest.mark.parametrize('settings', [dict(num_train=0), dict(seed=-1)])
def test_settings_out_of_range_are_refused(tmp_path, settings):
    with pytest.raises(ValueError, match='expected'):
        context.generate(tmp_path / 'x', **settings)
