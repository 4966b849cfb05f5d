"""Parameter groups that are as few as possible."""

from mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Reads ``paramwise_cfg`` as mmengine's own, but joins parameters with equal settings.

    mmengine makes a group of every parameter, and an optimizer steps through its groups one by
    one: hundreds of small kernels instead of a few.
    """

    def add_params(self, params: list[dict], module: nn.Module, *args, **kwargs) -> None:
        """See mmengine; ``params`` is extended in place."""
        single: list[dict] = []
        super().add_params(single, module, *args, **kwargs)
        for group in single:
            settings = {key: value for key, value in group.items() if key != 'params'}
            for joined in params:
                if {key: value for key, value in joined.items() if key != 'params'} == settings:
                    joined['params'] += group['params']
                    break
            else:
                params.append(group)
