"""The values of a training step fetched from the device at once."""

from collections.abc import Mapping
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor


@HOOKS.register_module()
class OneSyncRuntimeInfoHook(RuntimeInfoHook):
    """mmengine's hook, which notes what a step logs, waiting for the device once.

    The parent fetches every value by itself: with ASL's, some fifteen waits a step.
    """

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """See the parent."""
        if outputs:
            tensors = {key: x for key, x in outputs.items() if isinstance(x, Tensor)}
            if tensors:
                numbers = torch.cat([x.detach().reshape(1) for x in tensors.values()]).tolist()
                outputs = {**outputs, **dict(zip(tensors, numbers, strict=True))}
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
