"""The values of a training step fetched from the device at once."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor


@HOOKS.register_module()
class OneSyncRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook, which notes what a step logs, waiting for the device once.

    The parent fetches every value by itself: with ASL's, some fifteen waits a step. The optimizer
    wrapper fetches the norm of the gradients before the optimizer runs; here it comes with the
    others.
    """

    def __init__(self) -> None:
        self._norm: Tensor | None = None

    def before_train(self, runner: Runner) -> None:
        """See the parent."""
        super().before_train(runner)
        # Of a training that was resumed into another folder: mmengine would remove its best one.
        for key, path in list(runner.message_hub.runtime_info.items()):
            if key.startswith('best_ckpt') and Path(path).parent != Path(runner.work_dir):
                runner.message_hub.pop_info(key)
        wrapper = runner.optim_wrapper
        clip = getattr(wrapper, 'clip_func', None)
        if clip is None or getattr(clip, '__self__', None) is self:
            return
        self._clip = clip
        wrapper.clip_func = self._clip_and_keep_norm

    def _clip_and_keep_norm(self, *args: Any, **kwargs: Any) -> None:
        self._norm = self._clip(*args, **kwargs)  # not returned, or the wrapper would fetch it

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """See the parent.

        Raises:
            ValueError: the loss is not finite; nothing is saved of that.
        """
        if self._norm is not None:
            outputs = {runner.optim_wrapper.grad_name: self._norm, **(outputs or {})}
            self._norm = None
        if outputs:
            tensors = {key: x for key, x in outputs.items() if isinstance(x, Tensor)}
            if tensors:
                numbers = torch.cat([x.detach().reshape(1) for x in tensors.values()]).tolist()
                outputs = {**outputs, **dict(zip(tensors, numbers, strict=True))}
            if not math.isfinite(outputs.get('loss', 0.0)):
                raise ValueError(
                    f'expected a finite loss but got {outputs["loss"]} in step {runner.iter + 1}: '
                    'the learning rate may be too high (optim_wrapper.optimizer.lr)'
                )
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
