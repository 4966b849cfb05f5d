"""Gradients are clipped without waiting for the device."""

from __future__ import annotations

from mmaction.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import Tensor


@OPTIM_WRAPPERS.register_module()
class OneSyncOptimWrapper(OptimWrapper):
    """mmengine's ``OptimWrapper``, which leaves the norm of the gradients on the device.

    The parent logs the norm and waits for it, before the optimizer runs. Here it is a tensor that
    :class:`~asl_mmaction.engine.hooks.OneSyncRuntimeInfoHook` fetches with the losses; without that
    hook the norm is not logged. Arguments: those of ``OptimWrapper``.
    """

    _norm: Tensor | None = None

    def _clip_grad(self) -> None:
        params = [x for group in self.optimizer.param_groups for x in group['params']]
        params = [x for x in params if x.requires_grad and x.grad is not None]
        if params:
            self._norm = self.clip_func(params, **self.clip_grad_kwargs)

    def pop_norm(self) -> Tensor | None:
        """The norm of the gradients before they were clipped last; each once.

        None: they were not clipped since, or by their values.
        """
        norm, self._norm = self._norm, None
        return norm
