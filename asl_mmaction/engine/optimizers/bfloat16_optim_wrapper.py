"""Mixed precision in bfloat16, on any device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass of the training under autocast to bfloat16.

    bfloat16 has float32's range, so no loss scaling is needed and a training can be resumed with
    it or without. mmengine's ``AmpOptimWrapper`` refuses the CPU. Arguments: those of
    ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, with whatever else ``OptimWrapper`` does."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
