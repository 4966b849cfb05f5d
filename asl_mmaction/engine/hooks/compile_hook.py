"""torch.compile for the part of a training step that gains from it."""

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


@HOOKS.register_module()
class CompileHook(Hook):
    """Compiles the losses of the model, and with them their gradients, for the training.

    mmengine's setting ``compile`` hands all of ``train_step`` to the compiler, data and optimizer
    included, at which torch 2.13 fails; the tools of this package read that setting as this hook.
    Each shape of a batch is compiled by itself, so shapes should not change: see ``min_len`` and
    ``gt_divisor`` of :class:`~asl_mmaction.models.data_preprocessors.FeaturePreprocessor`.

    Args:
        **options: Of ``torch.compile``, such as ``mode``.
    """

    def __init__(self, **options: Any) -> None:
        self.options = {'dynamic': False, **options}

    def before_train(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        plain = model.forward
        compiled = torch.compile(plain, **self.options)

        def forward(*args: Any, mode: str = 'tensor', **kwargs: Any) -> Any:
            return (compiled if mode == 'loss' else plain)(*args, mode=mode, **kwargs)

        model.forward = forward

    def after_train(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        del model.forward  # of this object; that of its class is left
