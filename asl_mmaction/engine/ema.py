"""Moving average of the weights in a few operations."""

import torch
from mmaction.registry import MODELS
from mmengine.model import MomentumAnnealingEMA
from torch import nn


@MODELS.register_module()
class ForeachEMA(MomentumAnnealingEMA):
    """mmengine's ``MomentumAnnealingEMA``, all parameters at once in place of one by one.

    Same numbers, same checkpoint, same arguments; with ``interval`` or ``update_buffers`` set it is
    mmengine's own.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``; copy its buffers."""
        if self.interval != 1 or self.update_buffers:
            super().update_parameters(model)
            return
        averages = list(self.avg_parameters.values())
        sources = [value.to(averages[0].device) for value in model.parameters()]
        steps = int(self.steps)
        momentum = max(self.momentum, self.gamma / (self.gamma + steps)) if steps else 1.0
        torch._foreach_lerp_(averages, sources, momentum)
        for average, source in zip(self.module.buffers(), model.buffers(), strict=True):
            average.copy_(source)
        self.steps += 1
