"""Doubtful moments against a slow search, of activations that are made by hand."""

import json

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import DefaultScope

from asl_mmaction.apis import find_doubtful_moments, load_config
from asl_mmaction.apis.doubtful_moments import doubtful_steps
from asl_mmaction.datasets.preparation import context
from asl_mmaction.models.heads import ActivationHead
from asl_mmaction.models.heads.activation_head import BranchOutputs

CLASSES, STEP = 4, 0.4  # of the context demo: step t stands at (t + 1) * 0.4 s
DISTANCE = 3.0


def test_steps_by_hand():
    action = np.array([0.9, 0.55, 0.52, 0.1, 0.3, 0.8])
    background = np.array([0.1, 0.45, 0.48, 0.8, 0.6, 0.2])
    times = np.arange(6) / 2

    def steps(count, min_distance, known=()):
        return doubtful_steps(
            action, background, times, count=count, min_distance=min_distance, known=known
        )

    assert steps(1, 1.0) == [2]
    assert steps(3, 0.0) == [2, 1, 4]
    assert steps(9, 0.0) == [2, 1, 4, 5, 3, 0]  # all of them
    assert steps(9, 1.0) == [2, 4, 0]  # a second apart is far enough
    assert steps(9, 1.5) == [2, 5]
    assert steps(9, 1.0, known=[1.0]) == [4, 0]
    assert steps(9, 9.0, known=[1.0]) == []
    assert steps(9, 0.5, known=[0.6]) == [4, 5, 3, 0]  # a click is not on a step


def test_steps_that_are_a_distance_apart_but_for_rounding():
    # The same doubt everywhere: the first, and then each that is three steps on.
    times, doubt = np.arange(100) * 0.1, np.full(100, 0.5)
    assert (np.diff(times[::3]) < 0.3).any()
    found = doubtful_steps(doubt, doubt, times, count=100, min_distance=0.3)
    assert found == list(range(0, 100, 3))


def by_search(logits, labels, known, count):
    """(step, class, its probability, that of background) in order; ``known``: seconds."""
    rows = []
    for step, row in enumerate(np.exp(logits.astype(np.float64))):
        row = row / row.sum()
        best = max(labels, key=lambda label: row[label])
        rows.append((abs(row[best] - row[-1]), step, best, row[best], row[-1]))
    taken = []
    for _, step, *found in sorted(rows):
        time = (step + 1) * STEP
        places = [*known, *((s + 1) * STEP for s, *_ in taken)]
        near = [place for place in places if abs(place - time) < DISTANCE - 1e-6]
        if not near and len(taken) < count:
            taken.append((step, *found))
    return taken


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Data, config and checkpoint of a model whose activations are the first features."""
    folder = tmp_path / 'data'
    context.generate(folder, num_train=5, num_test=1)
    options = {f'{x}_dataloader.dataset.data_root': f'{folder}/' for x in ('train', 'val', 'test')}
    config = load_config('backtal_context_demo', options)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    classes = json.loads((folder / 'annotations.json').read_text())['classes']
    content = {'state_dict': model.state_dict(), 'meta': {'dataset_meta': {'classes': classes}}}
    torch.save(content, tmp_path / 'x.pth')

    def forward(self, x, mask, branches=2):
        assert not self.training
        base = x[..., : CLASSES + 1]
        return BranchOutputs(base, torch.zeros_like(base), x[..., 0], None, None)

    monkeypatch.setattr(ActivationHead, 'forward', forward)
    return folder, config, tmp_path / 'x.pth'


def expected_moments(folder, count):
    content = json.loads((folder / 'annotations.json').read_text())
    clicks = json.loads((folder / 'background_clicks.json').read_text())['database']
    expected = []
    for name, video in content['database'].items():
        labels = sorted({content['classes'].index(x['label']) for x in video['annotations']})
        if video['subset'] != 'training' or not labels:
            continue
        feature = np.load(folder / 'features' / f'{name}.npy')[:, : CLASSES + 1]
        known = [x['time'] for x in clicks.get(name, ())]
        for step, label, *probabilities in by_search(feature, labels, known, count):
            expected.append((name, (step + 1) * STEP, content['classes'][label], *probabilities))
    return expected


def assert_moments(found, expected):
    assert [(x.video, x.label) for x in found] == [(x[0], x[2]) for x in expected]
    for kind in (1, 3, 4):
        assert [x[kind] for x in found] == pytest.approx([x[kind] for x in expected])


def test_moments_of_the_training_videos(trained):
    folder, config, checkpoint = trained
    expected = expected_moments(folder, 3)
    assert len(expected) > 5
    found = find_doubtful_moments(config, checkpoint, per_video=3, min_distance=DISTANCE)
    assert_moments(found, expected)
    # A click counts where it was made, not at the step it belongs to.
    path = folder / 'background_clicks.json'
    video, time = found[0].video, found[0].time
    for place, near in ((time + DISTANCE - 0.01, True), (time + DISTANCE + 0.01, False)):
        path.write_text(json.dumps({'database': {video: [{'time': place, 'label': None}]}}))
        found = find_doubtful_moments(config, checkpoint, per_video=3, min_distance=DISTANCE)
        assert_moments(found, expected_moments(folder, 3))
        times = [x.time for x in found if x.video == video]
        assert (not np.isclose(times, time).any()) == near


def test_a_video_that_a_wrapper_repeats_is_asked_for_once(trained):
    _, config, checkpoint = trained
    expected = find_doubtful_moments(config, checkpoint)
    part = config.train_dataloader.dataset
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=3, dataset=part)
    assert find_doubtful_moments(config, checkpoint) == expected


def test_what_is_not_weakly_supervised_is_refused(trained):
    _, config, checkpoint = trained
    four_classes = {'model.head.num_classes': CLASSES}
    with pytest.raises(ValueError, match='expected a WeakLocalizer but got DenseLocalizer'):
        find_doubtful_moments(load_config('asl_demo', four_classes), checkpoint)
    full = dict(supervision='full', click_file=None, pipeline=[config.load_feature])
    full['pipeline'].append(dict(type='PackTALInputs'))
    with pytest.raises(ValueError, match=r'expected a moment or more of a video, .* but got 0'):
        find_doubtful_moments(config, checkpoint, per_video=0)
    config.train_dataloader.dataset.update(full)
    with pytest.raises(ValueError, match="expected a train_dataloader with supervision='click'"):
        find_doubtful_moments(config, checkpoint)
