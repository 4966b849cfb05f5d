import pytest
import torch
from mmengine.model import MomentumAnnealingEMA
from torch import nn

from asl_mmaction.engine.ema import ForeachEMA


@pytest.fixture
def model(double):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))


@pytest.mark.parametrize('extra', [{}, {'interval': 3}, {'update_buffers': True}])
def test_equals_mmengine_and_loads_its_checkpoint(double, model, extra):
    settings = dict(momentum=0.1, gamma=3, **extra)
    ours, theirs = ForeachEMA(model, **settings), MomentumAnnealingEMA(model, **settings)
    for step in range(40):  # the momentum falls from 1 over 3 / (3 + step) to 0.1
        with torch.no_grad():
            for value in model.parameters():
                value.add_(torch.randn_like(value))
        model(torch.randn(4, 3))  # changes the buffers
        for average in (ours, theirs):
            average.update_parameters(model)
        if step == 20:
            saved = {key: value.clone() for key, value in theirs.state_dict().items()}
            ours = ForeachEMA(model, **settings)
            ours.load_state_dict(saved)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value)
    assert ours.state_dict()['steps'] == 40
    assert all(value.requires_grad for value in model.parameters())
