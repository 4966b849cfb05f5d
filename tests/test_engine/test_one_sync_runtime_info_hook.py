"""The hook that fetches what a step logs: the parent's values with one wait for the device."""

from types import SimpleNamespace

import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import MessageHub
from torch.utils._python_dispatch import TorchDispatchMode

from asl_mmaction.engine.hooks import OneSyncRuntimeInfoHook

OUTPUTS = {
    'loss': torch.tensor(1.25),
    'mu': torch.tensor([0.1], dtype=torch.float64),
    'half': torch.tensor(0.3).bfloat16(),
    'steps': 3,
}


class Reads(TorchDispatchMode):
    """Counts what brings a value to the host."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def noted(hook, outputs):
    hub = MessageHub(f'{type(hook).__name__} {id(outputs)}')
    with Reads() as reads:
        hook.after_train_iter(SimpleNamespace(message_hub=hub), 0, None, outputs)
    return {key: value.current() for key, value in hub.log_scalars.items()}, reads.count


def test_values_are_the_parents_without_reading_one_by_one():
    expected, reads = noted(RuntimeInfoHook(), OUTPUTS)
    assert reads == 3
    values, reads = noted(OneSyncRuntimeInfoHook(), OUTPUTS)
    assert values == expected
    assert reads == 0
    assert torch.is_tensor(OUTPUTS['loss'])  # others still get what the step gave


def test_nothing_to_note():
    for outputs in (None, {}, {'steps': 3}):
        assert noted(OneSyncRuntimeInfoHook(), outputs) == noted(RuntimeInfoHook(), outputs)
