"""How many digits to compute in."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """``x`` in float32, or as it is in float64.

    What half precision would round too far is computed in float32. A model in float64 stays in
    float64: with it a test or a gradient check sees no rounding.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))
