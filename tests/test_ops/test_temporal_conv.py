"""Convolution over time against torch's own, outputs and gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.ops.temporal_conv import depthwise_convs, temporal_conv


def reference(x, weight, bias=None, stride=1, groups=1):
    """torch's convolution of the transposed sequence."""
    padding = weight.size(2) // 2
    return F.conv1d(x.mT, weight, bias, stride, padding, groups=groups).mT


def check(function, expected, *inputs):
    """The same output, and the same gradient of every input for a random gradient of the output.

    ``expected`` runs in float64. A sum of n float32 products, in whatever order, is off by at most
    about n * eps times the sum of their absolute values, which the same convolution of absolute
    values gives.
    """
    exact = [None if x is None else x.detach().double() for x in inputs]
    learned = [index for index, x in enumerate(inputs) if x is not None and x.requires_grad]
    out = function(*inputs)
    grad = torch.randn_like(out)
    found = [out.detach(), *torch.autograd.grad(out, [inputs[i] for i in learned], grad)]
    wanted = outputs(expected, exact, grad.double(), learned)
    sizes = outputs(expected, [x if x is None else x.abs() for x in exact], grad.abs(), learned)
    terms = 2 + max(inputs[1][0].numel(), inputs[1][:, 0].numel(), grad[..., 0].numel())
    for ours, theirs, size in zip(found, wanted, sizes, strict=True):
        assert ((ours - theirs).abs() <= terms * torch.finfo(ours.dtype).eps * size).all()


def outputs(function, inputs, grad, learned):
    """The output and the gradients of the inputs numbered by ``learned``."""
    inputs = [
        x if x is None else x.requires_grad_(index in learned) for index, x in enumerate(inputs)
    ]
    out = function(*inputs)
    return [out.detach(), *torch.autograd.grad(out, [inputs[i] for i in learned], grad.double())]


@settings(deadline=None, max_examples=50)
@given(
    videos=st.integers(1, 3),
    steps=st.integers(1, 9),
    widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kernel_size=st.sampled_from([1, 3, 5, 7]),
    with_bias=st.booleans(),
    features_learn=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_dense(videos, steps, widths, kernel_size, with_bias, features_learn, seed):
    torch.manual_seed(seed)
    x = torch.randn(videos, steps, widths[0], requires_grad=features_learn)
    weight = torch.randn(widths[1], widths[0], kernel_size, requires_grad=True)
    bias = torch.randn(widths[1], requires_grad=True) if with_bias else None
    check(temporal_conv, reference, x, weight, bias)


def test_derivatives():
    """First and second ones, against differences of the function in float64."""
    torch.manual_seed(0)
    inputs = [
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 5, 3), (4, 3, 3), (4,))
    ]
    assert torch.autograd.gradcheck(temporal_conv, inputs)
    assert torch.autograd.gradgradcheck(temporal_conv, inputs)


@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('groups', [1, 2, 4])
def test_strides_and_groups(stride, groups):
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4, requires_grad=True)
    weight = torch.randn(8, 4 // groups, 3, requires_grad=True)
    check(
        lambda *inputs: temporal_conv(*inputs, None, stride, groups),
        lambda *inputs: reference(*inputs, None, stride, groups),
        x,
        weight,
    )


@pytest.mark.parametrize('stride', [1, 2])
def test_several_filters_a_channel(stride):
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4, requires_grad=True)
    weight = torch.randn(12, 1, 3, requires_grad=True)  # three filters of channel 0, of 1, ...

    def together(x, weight):
        return reference(x, weight, None, stride, 4).unflatten(-1, (4, 3))

    check(lambda *inputs: torch.stack(depthwise_convs(*inputs, stride), -1), together, x, weight)


def test_autocast_runs_in_bfloat16():
    torch.manual_seed(0)
    x, weight = torch.randn(2, 8, 4, requires_grad=True), torch.randn(8, 4, 3, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        out = temporal_conv(x, weight)
    assert out.dtype == torch.bfloat16
    # Both factors of the 12 products of a sum are rounded, so is what is added each time, at worst.
    size = reference(x.abs(), weight.abs()).detach()
    allowed = (2 + 12 + 1) * torch.finfo(torch.bfloat16).eps / 2 * size
    assert ((out.float() - reference(x, weight)).abs() <= allowed).all()
    out.float().sum().backward()
    assert weight.grad.dtype == torch.float32
