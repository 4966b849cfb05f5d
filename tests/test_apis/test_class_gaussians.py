"""Gaussians of a training are those that its loss used."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from asl_mmaction.apis import read_class_gaussians
from asl_mmaction.models.sensitivity import ClassSensitivity


def gaussians_of(demo, tmp_path, class_level, **state):
    """Written to a checkpoint and read back."""
    config = Config(demo.config.to_dict())
    config.model.head.sensitivity.class_level.update(class_level)
    content = torch.load(demo.checkpoint, weights_only=True)
    prefix = 'head.sensitivity.class_level.'
    content['state_dict'] = {
        key: value for key, value in content['state_dict'].items() if not key.startswith(prefix)
    } | {prefix + key: value for key, value in state.items()}
    torch.save(content, tmp_path / 'a.pth')
    return read_class_gaussians(config, tmp_path / 'a.pth')


def test_gaussians_are_read_with_sigma_clamped(demo, tmp_path):
    torch.manual_seed(0)
    state = {
        'mu_cls': torch.randn(5, 1),
        'sigma_cls': torch.tensor([[-1.0], [0.1], [0.3], [2.0], [9.0]]),
        'mu_loc': torch.randn(5, 2),
        'sigma_loc': torch.rand(5, 2) + 0.5,
    }
    level = {'sigma_range': (0.2, 3.0), 'loc_denominator': 'std'}
    g = gaussians_of(demo, tmp_path, level, **state)
    assert g.classes == demo.classes
    np.testing.assert_allclose(g.variance_loc, g.sigma_loc**2, rtol=1e-6)
    np.testing.assert_array_equal(g.mu_cls, state['mu_cls'])
    np.testing.assert_array_equal(g.mu_loc, state['mu_loc'])
    np.testing.assert_array_equal(g.sigma_loc, state['sigma_loc'])
    np.testing.assert_allclose(g.sigma_cls[:, 0], [0.2, 0.2, 0.3, 2.0, 3.0], rtol=1e-6)


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize('loc_denominator', ['variance', 'std'])
def test_curves_are_those_of_the_loss(double, demo, tmp_path, shared, loc_denominator):
    level = {'shared': shared, 'loc_denominator': loc_denominator}
    module = ClassSensitivity(num_classes=5, sigma_init=0.3, **level)
    g = gaussians_of(demo, tmp_path, level, **module.state_dict())
    d = torch.linspace(-0.5, 0.5, 7)
    for label in range(5):
        p_cls, p_loc = (p.detach().numpy() for p in module(d, torch.tensor(label)))
        np.testing.assert_allclose(g.cls(d)[label].sum(0), p_cls, rtol=1e-6)
        np.testing.assert_allclose(g.loc(d)[label].sum(0), p_loc, rtol=1e-6)


def test_a_kind_without_gaussians_is_empty(demo, tmp_path):
    state = {'mu_loc': torch.zeros(5, 1), 'sigma_loc': torch.ones(5, 1)}
    g = gaussians_of(demo, tmp_path, {'cls': 'none', 'num_loc': 1}, **state)
    assert (g.mu_cls.shape, g.mu_loc.shape) == ((5, 0), (5, 1))


def test_class_level_sensitivity_has_to_be_there(demo, tmp_path):
    with pytest.raises(ValueError, match=r'but got none in .*a\.pth'):
        gaussians_of(demo, tmp_path, {})
    config = Config(demo.config.to_dict())
    config.model.head.sensitivity.class_level = None
    with pytest.raises(ValueError, match='but got no such entry in the config'):
        read_class_gaussians(config, demo.checkpoint)


def test_gaussians_are_those_of_the_config(demo, tmp_path):
    state = ClassSensitivity(num_classes=5, num_loc=1).state_dict()
    with pytest.raises(ValueError, match=r'but 2 entries of .*a\.pth are .* such as mu_loc'):
        gaussians_of(demo, tmp_path, {}, **state)
    config = Config(demo.config.to_dict())
    config.model.head.num_classes = 3
    with pytest.raises(ValueError, match=r'expected 3 classes .* but got 5 in .*\.pth'):
        read_class_gaussians(config, demo.checkpoint)
    for model in ({}, {'type': 'BMN'}):
        with pytest.raises(ValueError, match='but got no such entry in the config'):
            read_class_gaussians(Config({'model': model}), demo.checkpoint)
