"""Convolution over time against torch's own, outputs and gradients."""

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from asl_mmaction.ops import temporal_conv as module
from asl_mmaction.ops.temporal_conv import depthwise_convs, temporal_conv


def reference(x, weight, bias=None, stride=1, groups=1):
    """torch's convolution of the transposed sequence."""
    padding = weight.size(2) // 2
    return F.conv1d(x.mT, weight, bias, stride, padding, groups=groups).mT


def check(function, expected, *inputs):
    """The same output and the same gradient of every input, for a random gradient of the output."""
    out, wanted = function(*inputs), expected(*inputs)
    torch.testing.assert_close(out, wanted)
    grad = torch.randn_like(wanted)
    needed = [value for value in inputs if value is not None and value.requires_grad]
    for ours, theirs in zip(
        torch.autograd.grad(out, needed, grad),
        torch.autograd.grad(wanted, needed, grad),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


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


@settings(deadline=None, max_examples=40)
@given(
    videos=st.integers(1, 3),
    steps=st.integers(1, 11),
    widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    with_bias=st.booleans(),
    features_learn=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_tiled(videos, steps, widths, with_bias, features_learn, seed):
    torch.manual_seed(seed)
    x = torch.randn(videos, steps, widths[0], requires_grad=features_learn)
    weight = torch.randn(widths[1], widths[0], 3, requires_grad=True)
    bias = torch.randn(widths[1], requires_grad=True) if with_bias else None
    with mock.patch.object(module, 'TILED_WIDTH', 1):
        check(temporal_conv, reference, x, weight, bias)


def test_tiled_rounds_no_worse_than_plain():
    torch.manual_seed(0)
    x, weight = torch.randn(1, 400, 256), torch.randn(256, 256, 3) / 256**0.5
    exact = reference(x.double(), weight.double())
    with torch.no_grad():
        tiled = temporal_conv(x, weight)
    assert not torch.equal(tiled, reference(x, weight))  # it is another algorithm
    plain = (reference(x, weight) - exact).abs().max()
    assert (tiled - exact).abs().max() < 3 * plain
    # with a gradient to come, the same one
    torch.testing.assert_close(temporal_conv(x, weight.requires_grad_()), tiled, atol=0, rtol=0)


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
    torch.testing.assert_close(out.float(), reference(x, weight), atol=0.1, rtol=0.05)
    out.float().sum().backward()
    assert weight.grad.dtype == torch.float32


def test_a_second_derivative_is_refused():
    x = torch.randn(1, 8, 128, requires_grad=True)
    out = temporal_conv(x, torch.randn(128, 128, 3, requires_grad=True))
    (grad,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        grad.sum().backward()
