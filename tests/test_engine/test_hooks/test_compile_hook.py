"""The hook that compiles the losses of a training, once for each shape, and only while it runs."""

from types import SimpleNamespace

import torch
from torch import nn

from asl_mmaction.engine.hooks import CompileHook


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x, mode='tensor'):
        out = self.layer(x)
        return {'loss': out.square().sum()} if mode == 'loss' else out


def test_losses_are_compiled_and_nothing_else():
    torch.compiler.reset()
    compiled = []

    def backend(graph, inputs):
        compiled.append([tuple(value.shape) for value in inputs if value.shape[-1:] == (3,)])
        return graph.forward

    model, x = Model(), torch.ones(4, 3)
    expected, loss = model(x), model(x, mode='loss')['loss']
    runner, hook = SimpleNamespace(model=model), CompileHook(backend=backend)
    hook.before_train(runner)
    torch.testing.assert_close(model(x), expected)
    assert compiled == []
    for _ in range(2):
        torch.testing.assert_close(model(x, mode='loss')['loss'], loss)
    assert len(compiled) == 1
    for steps in (3, 2):  # each length by itself: one graph for all takes far longer to compile
        model(x[:steps], mode='loss')
        assert (steps, 3) in compiled[-1]
    hook.after_train(runner)
    model(x[:1], mode='loss')
    assert len(compiled) == 3
