"""Mixed precision in bfloat16, on any device."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.logging import print_log
from torch import nn

from asl_mmaction.engine.optimizers.one_sync_optim_wrapper import OneSyncOptimWrapper


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OneSyncOptimWrapper):
    """Runs the forward pass of the training under autocast to bfloat16.

    bfloat16 has float32's range, so no loss scaling is needed and a training can be resumed with
    it or without. mmengine's ``AmpOptimWrapper`` refuses the CPU. Arguments: those of
    :class:`OneSyncOptimWrapper`.

    A CPU without bfloat16 instructions emulates them, dozens of times slower than float32: that is
    worth one warning.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        device = self.param_groups[0]['params'][0].device.type
        if device == 'cpu' and not _cpu_multiplies_bfloat16():
            print_log(
                'This CPU has no bfloat16 instructions: training in mixed precision is many times '
                'slower than without',
                logger='current',
                level=logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the model's device, with whatever else the parent does."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield


def _cpu_multiplies_bfloat16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ('avx512_bf16', 'amx_bf16', 'bf16'))
