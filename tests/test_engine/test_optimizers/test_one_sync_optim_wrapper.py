"""Clipping is torch's, of the gradients that there are; the norm stays a tensor."""

import pytest
import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from torch import nn


@pytest.fixture
def model():
    """Two parameters with gradients by hand; one without, one that is frozen after it had some."""
    model = nn.ParameterList(nn.Parameter(torch.zeros(2)) for _ in range(4))
    model[0].grad, model[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    model[3].grad = torch.tensor([9.0, 9.0])
    model[3].requires_grad_(False)
    return model


def build(model, kind, **settings):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return OPTIM_WRAPPERS.build(dict(type=kind, optimizer=optimizer, **settings))


def test_by_hand(model):
    wrapper = build(model, 'OneSyncOptimWrapper', clip_grad=dict(max_norm=2.5))
    wrapper.step()
    # The norm of (3, 0, 0, 4) is 5: the step is half of the gradients, but for torch's 1e-6.
    torch.testing.assert_close(model[0].data, torch.tensor([-1.5, 0.0]))
    torch.testing.assert_close(model[1].data, torch.tensor([0.0, -2.0]))
    assert model[2].tolist() == [0.0, 0.0]
    assert wrapper.pop_norm().item() == 5.0
    assert wrapper.pop_norm() is None


@pytest.mark.parametrize('clip_grad', [None, dict(type='value', clip_value=1.0)])
def test_without_a_norm(model, clip_grad):
    wrapper = build(model, 'OneSyncOptimWrapper', clip_grad=clip_grad)
    wrapper.step()
    assert wrapper.pop_norm() is None
    assert model[0].tolist() == [-3.0 if clip_grad is None else -1.0, 0.0]


def test_no_gradients_at_all(model):
    wrapper = build(model, 'OneSyncOptimWrapper', clip_grad=dict(max_norm=2.5))
    wrapper.zero_grad()
    wrapper.step()
    assert wrapper.pop_norm() is None


def test_a_config_of_mmengines_own_still_means_that(model):
    wrapper = build(model, 'OptimWrapper', clip_grad=dict(max_norm=2.5))
    assert type(wrapper) is OptimWrapper
    wrapper.step()
    torch.testing.assert_close(model[0].data, torch.tensor([-1.5, 0.0]))
