"""The clamp from which values come back."""

import torch

from asl_mmaction.models.layers import clamp_into_range


def test_values_are_those_of_a_clamp_and_of_relu():
    x = torch.linspace(-3, 3, 25)
    assert torch.equal(clamp_into_range(x, -1.0, 2.0), x.clamp(-1, 2))
    assert torch.equal(clamp_into_range(x, 0.0, float('inf')), x.relu())


def test_the_gradient_is_dropped_outwards_only():
    x = torch.tensor([-2.0, -2.0, 0.5, 0.5, 3.0, 3.0], requires_grad=True)
    # Descent moves against the gradient: +1 is downwards.
    clamp_into_range(x, -1.0, 2.0).backward(torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    assert x.grad.tolist() == [0.0, -1.0, 1.0, -1.0, 1.0, 0.0]
