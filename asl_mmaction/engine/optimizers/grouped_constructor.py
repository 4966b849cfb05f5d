"""Parameter groups that are as few as possible."""

import logging

from mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.logging import MMLogger
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Reads ``paramwise_cfg`` as mmengine's own, but joins parameters with equal settings.

    mmengine makes a group of every parameter, and an optimizer steps through its groups one by
    one: hundreds of small kernels instead of a few, and as many lines in the log.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer of a model and its wrapper."""
        logger = MMLogger.get_current_instance()
        level = logger.level
        logger.setLevel(logging.WARNING)
        try:
            optim_wrapper = super().__call__(model)
        finally:
            logger.setLevel(level)
        for group in optim_wrapper.optimizer.param_groups:
            count = sum(parameter.numel() for parameter in group['params'])
            logger.info(
                f'{len(group["params"])} parameters with {count} numbers: '
                f'lr {group["lr"]:g}, weight decay {group.get("weight_decay", 0):g}'
            )
        return optim_wrapper

    def add_params(self, params: list[dict], module: nn.Module, *args, **kwargs) -> None:
        """See mmengine; ``params`` is extended in place."""
        single: list[dict] = []
        super().add_params(single, module, *args, **kwargs)
        for group in single:
            settings = _settings(group)
            same = next((joined for joined in params if _settings(joined) == settings), None)
            if same is None:
                params.append(group)
            else:
                same['params'] += group['params']


def _settings(group: dict) -> dict:
    """All of a parameter group but its parameters."""
    return {key: value for key, value in group.items() if key != 'params'}
