"""The values of a training step fetched from the device at once."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from asl_mmaction.engine.optimizers import OneSyncOptimWrapper
from asl_mmaction.files.mistakes import ValueMistake


@HOOKS.register_module()
class OneSyncRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook, which notes what a step logs, waiting for the device once.

    The parent fetches every value by itself: with ASL's, some fifteen waits a step. The norm of the
    gradients comes with the others if the optimizer wrapper is
    :class:`~asl_mmaction.engine.optimizers.OneSyncOptimWrapper` or a child of it; any other fetches
    and logs it by itself.
    """

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """See the parent.

        Raises:
            ValueError: The loss is not finite; nothing is saved of that.
        """
        wrapper = runner.optim_wrapper
        norm = wrapper.pop_norm() if isinstance(wrapper, OneSyncOptimWrapper) else None
        if norm is not None:
            outputs = {wrapper.grad_name: norm, **(outputs or {})}
        if outputs:
            tensors = {key: x for key, x in outputs.items() if isinstance(x, Tensor)}
            if tensors:
                numbers = torch.cat([x.detach().reshape(1) for x in tensors.values()]).tolist()
                outputs = {**outputs, **dict(zip(tensors, numbers, strict=True))}
            if not math.isfinite(outputs.get('loss', 0.0)):
                raise ValueMistake(
                    f'expected a finite loss but got {outputs["loss"]} in step {runner.iter + 1}: '
                    'the learning rate may be too high (optim_wrapper.optimizer.lr)'
                )
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
