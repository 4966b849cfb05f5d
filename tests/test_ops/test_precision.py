"""Half precision goes up to float32, float64 stays; autograd goes through."""

import pytest
import torch

from asl_mmaction.ops.precision import at_least_float32


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_type_and_values(given, expected):
    x = torch.tensor([1.0, -0.3, 65504.0], dtype=torch.float64).to(given)
    found = at_least_float32(x)
    assert found.dtype == expected
    assert found.tolist() == x.tolist()  # float32 holds every number of half precision


def test_sums_are_those_of_float32():
    """1 + 2**-9 is no bfloat16: it would be rounded to 1."""
    x = torch.tensor([1.0, 2.0**-9]).bfloat16()
    assert at_least_float32(x).sum().item() == 1 + 2.0**-9


def test_under_autocast_too():
    with torch.autocast('cpu', torch.bfloat16):
        x = torch.ones(2, 2) @ torch.ones(2, 2)
        assert x.dtype == torch.bfloat16
        assert at_least_float32(x).dtype == torch.float32


def test_the_gradient_has_the_type_of_the_input():
    x = torch.tensor([0.5, 2.0], dtype=torch.bfloat16, requires_grad=True)
    at_least_float32(x).square().sum().backward()
    assert x.grad.dtype == torch.bfloat16
    assert x.grad.tolist() == [1.0, 4.0]


def test_what_needs_no_change_is_not_copied():
    x = torch.ones(3)
    assert at_least_float32(x).data_ptr() == x.data_ptr()
