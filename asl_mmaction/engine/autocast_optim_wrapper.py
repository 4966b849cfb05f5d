"""Mixed precision on any device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast, on CPU as well as on GPU.

    mmengine's AmpOptimWrapper refuses CPUs. bfloat16 has the range of float32: no loss scaling,
    and checkpoints are those of a plain OptimWrapper.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """See mmengine's OptimWrapper."""
        with super().optim_context(model), torch.autocast(get_device(), torch.bfloat16):
            yield
