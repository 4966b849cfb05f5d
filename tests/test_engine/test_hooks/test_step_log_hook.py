"""The hook that fetches what a step logs: the parent's values with one wait for the device."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from mmengine.hooks import RuntimeInfoHook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from asl_mmaction.engine.hooks import OneSyncRuntimeInfoHook
from asl_mmaction.engine.optimizers import BFloat16OptimWrapper, OneSyncOptimWrapper

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
        hook.after_train_iter(
            SimpleNamespace(message_hub=hub, optim_wrapper=None), 0, None, outputs
        )
    return {key: value.current() for key, value in hub.log_scalars.items()}, reads.count


def test_values_are_the_parents_without_reading_one_by_one():
    expected, reads = noted(RuntimeInfoHook(), OUTPUTS)
    assert reads == 3
    values, reads = noted(OneSyncRuntimeInfoHook(), OUTPUTS)
    assert values == expected
    assert reads == 0
    assert torch.is_tensor(OUTPUTS['loss'])  # others still get what the step gave


@pytest.mark.parametrize(
    'clip_grad', [{'max_norm': 1.0}, {'type': 'value', 'clip_value': 0.1}, None]
)
def test_the_norm_of_the_gradients_comes_with_the_others(clip_grad):
    """The numbers, in the log and in the weights, are those of mmengine's hook and wrapper."""
    noted, reads = [], []
    for hook, wrapper in (
        (RuntimeInfoHook(), OptimWrapper),
        (OneSyncRuntimeInfoHook(), OptimWrapper),
        (OneSyncRuntimeInfoHook(), OneSyncOptimWrapper),
        (OneSyncRuntimeInfoHook(), BFloat16OptimWrapper),  # without its context it is in float32
    ):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        wrapper = wrapper(optimizer, clip_grad=clip_grad and dict(clip_grad))
        hub = MessageHub(f'{len(noted)} {clip_grad}')
        wrapper.message_hub = hub
        runner = MagicMock(message_hub=hub, optim_wrapper=wrapper)
        hook.before_train(runner)
        with Reads() as seen:
            for _ in range(2):
                loss = model(torch.ones(4, 3)).square().sum()
                wrapper.update_params(loss)
                hook.after_train_iter(runner, 0, None, {'loss': loss})
        scalars = {key: list(value._log_history) for key, value in hub.log_scalars.items()}
        noted.append((scalars, [value.tolist() for value in model.parameters()]))
        reads.append(seen.count)
    assert noted[0] == noted[1] == noted[2] == noted[3]
    norms = 2 * (clip_grad == {'max_norm': 1.0})
    assert reads == [2 + norms, norms, 0, 0]
    assert ('train/grad_norm' in noted[0][0]) == bool(norms)


def test_a_step_that_clips_nothing_notes_no_norm():
    """Gradients of two steps are added up: one norm for both."""
    model = nn.Linear(3, 2)
    wrapper = OneSyncOptimWrapper(
        torch.optim.SGD(model.parameters(), lr=0.1),
        clip_grad={'max_norm': 1.0},
        accumulative_counts=2,
    )
    wrapper.initialize_count_status(model, 0, 4)
    hub = MessageHub('accumulated')
    runner = MagicMock(message_hub=hub, optim_wrapper=wrapper)
    counts = []
    for _ in range(4):
        wrapper.update_params(model(torch.ones(4, 3)).sum())
        OneSyncRuntimeInfoHook().after_train_iter(runner, 0, None, {'loss': torch.ones(1)})
        norms = hub.log_scalars.get('train/grad_norm')
        counts.append(0 if norms is None else len(norms._log_history))
    assert counts == [0, 1, 1, 2]


def test_a_loss_that_is_not_finite_ends_the_training():
    runner = SimpleNamespace(message_hub=MessageHub('nan'), optim_wrapper=None, iter=11)
    with pytest.raises(ValueError, match='expected a finite loss but got nan in step 12'):
        OneSyncRuntimeInfoHook().after_train_iter(
            runner, 0, None, {'loss': torch.tensor(float('nan'))}
        )


def test_nothing_to_note():
    for outputs in (None, {}, {'steps': 3}):
        assert noted(OneSyncRuntimeInfoHook(), outputs) == noted(RuntimeInfoHook(), outputs)
