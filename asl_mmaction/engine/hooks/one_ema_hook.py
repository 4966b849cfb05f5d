"""A moving average of the weights that is the only one."""

from mmaction.registry import HOOKS
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from asl_mmaction.files.mistakes import ValueMistake


@HOOKS.register_module()
class OneEMAHook(EMAHook):
    """mmengine's ``EMAHook``, which refuses to run beside another one.

    Each swaps its averages with the weights of the model around a validation: two would leave the
    model with the averages of one of them. Arguments: those of ``EMAHook``.
    """

    def before_run(self, runner: Runner) -> None:
        """See the parent.

        Raises:
            ValueError: There is another EMA hook.
        """
        count = sum(isinstance(hook, EMAHook) for hook in runner.hooks)
        if count > 1:
            raise ValueMistake(
                f'expected one EMA hook, that of default_hooks.ema, but got {count}: set '
                'default_hooks.ema, to None for none, and leave it out of custom_hooks'
            )
        super().before_run(runner)
