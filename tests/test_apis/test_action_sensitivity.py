"""What is drawn of each frame is what a training step on that recording computes."""

import json

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from asl_mmaction.apis import read_action_sensitivity, read_class_gaussians
from asl_mmaction.datasets import TALDataset


@pytest.fixture(scope='module', params=['PointAssigner', 'SimOTAAssigner'])
def config(demo, request):
    config = Config(demo.config.to_dict())
    config.model.head.assigner.type = request.param
    return config


@pytest.fixture(scope='module')
def step(demo, config):
    """Points, targets and weights that one training step on test_0001 hands to its losses."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
        dataset = DATASETS.build(config.test_dataloader.dataset)
    model.load_state_dict(torch.load(demo.checkpoint, weights_only=True)['state_dict'])
    model.eval()
    seen = {}

    def keep(_, arguments, output):
        seen.update(points=arguments[2], targets=arguments[3], sensitivity=output)

    model.head.sensitivity.register_forward_hook(keep)
    packed = dataset[1]
    with torch.no_grad():
        batch = model.data_preprocessor(pseudo_collate([packed]), training=True)
        model(
            batch['inputs'],
            mode='loss',
            masks=batch['masks'],
            ground_truths=batch['ground_truths'],
            data_samples=batch['data_samples'],
        )
    return {**seen, 'grid': packed['data_samples'].grid}


def test_h_and_q_are_those_of_a_training_step(demo, config, step):
    recording, actions = read_action_sensitivity(config, demo.checkpoint, 'test_0001')
    content = json.loads((demo.data / 'annotations.json').read_text())['database']['test_0001']
    assert recording.duration == content['duration']
    assert [x.label for x in actions] == [item['label'] for item in content['annotations']]
    trained = 0
    for index, (x, item) in enumerate(zip(actions, content['annotations'], strict=True)):
        # float32 on the grid, at most 384 steps of 0.4 s
        assert x.segment == pytest.approx(item['segment'], abs=384 * 2**-23)
        times, h, levels = [], [], []
        for point in range(len(step['points'].centers)):
            if step['targets'].gt_inds[0, point] == index:
                times.append(step['grid'].to_seconds(float(step['points'].centers[point])))
                h.append([float(part[0, point]) for part in step['sensitivity'][:2]])
                levels.append(int(step['points'].levels[point]))
        np.testing.assert_allclose(x.h_times, times, rtol=1e-12)
        np.testing.assert_array_equal(x.h, h)
        trained += len(times)
        level = max(sorted(set(levels)), key=levels.count)
        known = {
            step['grid'].to_seconds(float(center)): step['sensitivity'].quality[0, point].tolist()
            for point, center in enumerate(step['points'].centers)
            if int(step['points'].levels[point]) == level
        }
        assert len(x.q_times) >= 1
        for time, q in zip(x.q_times, x.q, strict=True):
            assert x.segment[0] <= time <= x.segment[1]
            assert known[time] == q.tolist()
    assert trained == int(step['targets'].positives.sum()) > 5


def test_p_is_that_of_the_class(demo):
    gaussians = read_class_gaussians(demo.config, demo.checkpoint)
    _, actions = read_action_sensitivity(demo.config, demo.checkpoint, 'test_0001')
    for x in actions:
        index = gaussians.classes.index(x.label)
        d = np.linspace(-0.5, 0.5, len(x.p_times))
        start, end = x.segment
        np.testing.assert_allclose(x.p_times, start + (d + 0.5) * (end - start), rtol=1e-6)
        for task, p in enumerate((gaussians.cls(d), gaussians.loc(d))):
            np.testing.assert_allclose(x.p[:, task], p[index].sum(0), rtol=1e-5)


def test_without_a_level_there_is_nothing_of_it(demo, tmp_path):
    content = torch.load(demo.checkpoint, weights_only=True)
    for level, empty in (('class_level', 'p'), ('instance_level', 'q')):
        config = Config(demo.config.to_dict())
        config.model.head.sensitivity[level] = None
        state = {k: v for k, v in content['state_dict'].items() if f'.{level}.' not in k}
        torch.save({**content, 'state_dict': state}, tmp_path / 'a.pth')
        _, actions = read_action_sensitivity(config, tmp_path / 'a.pth', 'test_0001')
        for x in actions:
            for name in 'pqh':
                assert np.isnan(getattr(x, name)).all() == (name == empty), (level, name)


def test_a_name_in_another_normal_form_is_told(demo, monkeypatch):
    monkeypatch.setattr(TALDataset, 'get_data_info', lambda *_: {'video_name': 'caf\xe9'})
    with pytest.raises(ValueError, match=r'got .*; .* in another Unicode normal form'):
        read_action_sensitivity(demo.config, demo.checkpoint, 'cafe\u0301')


def test_mistakes_name_what_was_expected(demo):
    expected = "a recording of test_dataloader but got 'test_001'; the nearest there: test_0001, "
    with pytest.raises(ValueError, match=expected):
        read_action_sensitivity(demo.config, demo.checkpoint, 'test_001')
    config = Config(demo.config.to_dict())
    config.model.head.sensitivity = None
    with pytest.raises(ValueError, match=r'expected a model with head\.sensitivity but got none'):
        read_action_sensitivity(config, demo.checkpoint, 'test_0001')
