"""What the weights do to a gradient, beside gradients of whole models."""

import itertools
import math

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from asl_mmaction.apis import measure_weights


@pytest.fixture
def config(demo):
    """Batches of one of the three sequences; weights that differ much."""
    config = Config(demo.config.to_dict())
    config.train_dataloader.dataset.update(subset='test', pipeline=config.test_pipeline)
    config.train_dataloader.update(batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False))
    config.model.head.sensitivity.class_level.sigma_init = 0.2
    return config


@pytest.fixture
def checkpoint(config, save_untrained, tmp_path):
    return save_untrained(config, tmp_path / 'narrow.pth')


def gradient(config, checkpoint, index):
    """Of the classification and localization losses of one sequence, by name of the parameter."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model).eval()
        dataset = DATASETS.build(config.train_dataloader.dataset)
    model.load_state_dict(torch.load(checkpoint, weights_only=True)['state_dict'], strict=False)
    batch = model.data_preprocessor(pseudo_collate([dataset[index]]), training=True)
    losses = model(**batch, mode='loss')
    (losses['loss_cls'] + losses['loss_loc']).backward()
    named = model.named_parameters()
    return {name: x.grad.double() for name, x in named if x.grad is not None}


def in_a_row(gradients, names):
    return np.concatenate([gradients[name].flatten().numpy() for name in names])


def test_gradients_are_those_of_the_model_and_of_its_baseline(config, checkpoint):
    plain = Config(config.to_dict())
    plain.model.head.sensitivity = None
    rows = []
    for index in range(3):
        a, b = (gradient(x, checkpoint, index) for x in (config, plain))
        assert a.keys() - b.keys() == {
            f'head.sensitivity.class_level.{name}_{kind}'
            for name in ('mu', 'sigma')
            for kind in ('cls', 'loc')
        }
        rows.append([in_a_row(x, sorted(b)) for x in (a, b)])
    effect = measure_weights(config, checkpoint)
    expected = [
        (
            a @ b / math.sqrt((a @ a) * (b @ b)),
            math.sqrt((a @ a) / (b @ b)),
            math.sqrt((a - b) @ (a - b) / (b @ b)),
        )
        for a, b in rows
    ]
    np.testing.assert_allclose(effect.weighed['both'], np.mean(expected, axis=0), rtol=1e-4)
    assert effect.weighed['both'].difference > 0.05
    turns = [
        one @ other / math.sqrt((one @ one) * (other @ other))
        for (_, one), (_, other) in itertools.pairwise(rows)
    ]
    assert effect.between_batches == pytest.approx(np.mean(turns), abs=1e-4)


def test_weights_are_those_of_the_positives(config, checkpoint):
    effect = measure_weights(config, checkpoint)
    for values in effect.weights.values():
        # They are rescaled to mean 1 in each action.
        assert values.mean() == pytest.approx(1, abs=1e-5)
        assert len(values) > 50
        assert values.std() > 0.005
    first = measure_weights(config, checkpoint, num_batches=1)
    assert math.isnan(first.between_batches)
    for kind, values in first.weights.items():
        np.testing.assert_array_equal(values, effect.weights[kind][: len(values)])


def test_without_levels_all_weights_are_1(config, save_untrained, tmp_path):
    config.model.head.sensitivity.update(class_level=None, instance_level=None)
    effect = measure_weights(config, save_untrained(config, tmp_path / 'a.pth'))
    for compared in effect.weighed.values():
        assert compared == pytest.approx((1, 1, 0), abs=1e-12)
    assert effect.others.keys() == {'loss_ascl'}
    assert effect.others['loss_ascl'].length > 0


def test_mistakes_name_what_was_expected(config, checkpoint):
    with pytest.raises(ValueError, match='expected num_batches >= 1 but got 0'):
        measure_weights(config, checkpoint, num_batches=0)
    config.model.head.sensitivity = None
    with pytest.raises(ValueError, match=r'expected a model with head\.sensitivity but got none'):
        measure_weights(config, checkpoint)
