"""Autocast in the forward pass, on the CPU too; everything else as mmengine's."""

import pytest
import torch
from mmaction.registry import OPTIM_WRAPPERS
from torch import nn

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.skipif('not torch.cuda.is_available()'))]


def build(model, **settings):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return OPTIM_WRAPPERS.build(dict(type='BFloat16OptimWrapper', optimizer=optimizer, **settings))


@pytest.mark.parametrize('device', DEVICES)
def test_forward_is_bfloat16_and_weights_are_not(device):
    model = nn.Linear(3, 2).to(device)
    wrapper = build(model)
    x = torch.ones(4, 3, device=device)
    with wrapper.optim_context(model):
        y = model(x)
    assert y.dtype is torch.bfloat16
    assert model(x).dtype is torch.float32
    wrapper.update_params(y.float().mean())
    assert model.weight.dtype is torch.float32
    assert model.weight.grad is None or not model.weight.grad.any()


def test_step_is_that_of_autocast_by_hand():
    torch.manual_seed(0)
    ours, plain = nn.Linear(8, 4), nn.Linear(8, 4)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(5, 8)
    wrapper = build(ours, clip_grad=dict(max_norm=0.1))
    with wrapper.optim_context(ours):
        loss = ours(x).float().square().sum()
    wrapper.update_params(loss)
    with torch.autocast('cpu', torch.bfloat16):
        loss = plain(x).float().square().sum()
    loss.backward()
    nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            expected = parameter - 0.5 * parameter.grad
            assert torch.equal(ours.get_parameter(name), expected)


def test_gradients_accumulate():
    model = nn.Linear(2, 1, bias=False)
    start = model.weight.detach().clone()
    wrapper = build(model, accumulative_counts=2)
    wrapper.initialize_count_status(model, 0, 4)
    for step in range(2):
        with wrapper.optim_context(model):
            loss = model(torch.tensor([[2.0, 4.0]])).float().sum()
        wrapper.update_params(loss)
        assert torch.equal(model.weight, start) == (step == 0)
    assert torch.allclose(model.weight, start - 0.5 * torch.tensor([[2.0, 4.0]]))


@pytest.mark.parametrize(
    ('flags', 'device', 'warns'),
    [
        ({'avx2': True}, 'cpu', True),
        ({'avx512_bf16': True}, 'cpu', False),
        ({'avx2': True}, 'meta', False),  # another device, whatever the CPU beside it can do
    ],
)
def test_a_cpu_that_emulates_bfloat16_is_named_once(monkeypatch, flags, device, warns):
    lines = []
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: flags)
    monkeypatch.setattr(
        'asl_mmaction.engine.optimizers.bfloat16_optim_wrapper.print_log',
        lambda message, **_: lines.append(message),
    )
    model = nn.Linear(2, 2, device=device)
    wrapper = build(model)
    for _ in range(2 if device == 'cpu' else 0):
        with wrapper.optim_context(model):
            model(torch.ones(1, 2))
    assert [('no bfloat16 instructions' in line) for line in lines] == [True] * warns
