"""CUDA graphs for the part of a training step that is thousands of small kernels."""

from __future__ import annotations

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from asl_mmaction.files.mistakes import ValueMistake


@HOOKS.register_module()
class CudaGraphHook(Hook):
    """Records losses and gradients of a batch as a CUDA graph, and replays it for the training.

    A graph is what the GPU does for one shape of a batch; a replay costs the process one call in
    place of one a kernel. So that one shape serves nearly all batches, they are padded to the
    largest so far, and a larger one is recorded anew in its place; a last batch of fewer videos has
    a graph of its own. The numbers are those of the same step without a graph, but for what dropout
    and drop-path draw. Setting ``cuda_graph=True`` of a config, for the tools of this package, is
    this hook.

    Raises:
        ValueError: The model is not on a GPU, is distributed, is compiled as well, or gets batches
            of any shape.
    """

    priority = 'LOWEST'  # after CompileHook

    def before_train(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        model = runner.model
        device = next(model.parameters()).device.type
        if device != 'cuda':
            raise ValueMistake(f'cuda_graph: expected a model on a GPU but got one on {device}')
        if is_model_wrapper(model):
            raise ValueMistake(
                f'cuda_graph: expected one process but got a model in {type(model).__name__}'
            )
        if 'forward' in vars(model):
            raise ValueMistake(
                'expected cuda_graph or compile but got both; compile.mode=reduce-overhead '
                "is torch.compile's own use of CUDA graphs"
            )
        if not hasattr(model.data_preprocessor, 'largest'):
            raise ValueMistake(
                'cuda_graph: expected a data_preprocessor like FeaturePreprocessor, which keeps '
                f'the shapes of batches, but got {type(model.data_preprocessor).__name__}'
            )
        model.data_preprocessor.largest = {}
        losses = _Losses(model)
        recordings: dict[tuple[int, bool], _Recording] = {}  # by videos, autocast

        def forward(*args: Any, mode: str = 'tensor', **kwargs: Any) -> Any:
            if mode != 'loss':
                return losses.plain(*args, mode=mode, **kwargs)
            if not torch.is_grad_enabled():
                return losses.run({}, *args, **kwargs)
            leaves, spec = pytree.tree_flatten((args, kwargs))
            at = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
            tensors = [leaves[i] for i in at]
            key = (len(tensors[0]), torch.is_autocast_enabled('cuda'))
            if key not in recordings or not recordings[key].fits(tensors):
                recordings.pop(key, None)  # its memory is free before the next one takes its own

                def run(parameters: dict[str, Tensor], inputs: list[Tensor]) -> dict[str, Tensor]:
                    filled = leaves.copy()
                    for i, value in zip(at, inputs, strict=True):
                        filled[i] = value
                    args, kwargs = pytree.tree_unflatten(filled, spec)
                    return losses.run(parameters, *args, **kwargs)

                recordings[key] = _Recording(losses, run, tensors)
            return recordings[key](tensors)

        model.forward = forward

    def after_train(self, runner: Runner) -> None:
        """See mmengine's Hook."""
        del runner.model.forward  # of this object; that of its class is left
        runner.model.data_preprocessor.largest = None


class _Losses(nn.Module):
    """The losses of a model, whose buffers stay where they are in memory."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.plain = model.forward

    def forward(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Tensor], list[Tensor]]:
        """The losses, and the buffers as they are after that."""
        return self.plain(*args, mode='loss', **kwargs), list(self.buffers())

    def run(self, parameters: dict[str, Tensor], *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """The losses of other parameters, by name; those not there are the model's."""
        buffers = dict(self.named_buffers())
        losses, after = functional_call(self, {**buffers, **parameters}, args, kwargs)
        # A model may set a buffer anew, such as a moving average; a graph reads the old place.
        with torch.no_grad():
            for own, value in zip(buffers.values(), after, strict=True):
                own.copy_(value)
        return losses


class _Recording:
    """The losses of one shape of a batch, and their gradients."""

    #: Steps before the recording, in which libraries choose their kernels.
    WARM_UP = 3

    def __init__(self, losses: _Losses, run: Any, tensors: list[Tensor]) -> None:
        wanted = {name: x for name, x in losses.named_parameters() if x.requires_grad}
        self.parameters = list(wanted.values())
        self.inputs = [x.clone() for x in tensors]
        before = [x.clone() for x in losses.buffers()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        # Its cache of cast weights would outlive the graph.
        precision = torch.autocast(
            'cuda',
            torch.get_autocast_dtype('cuda'),
            torch.is_autocast_enabled('cuda'),
            cache_enabled=False,
        )

        def step() -> tuple[dict[str, Tensor], tuple[Tensor | None, ...]]:
            # The same memory, but leaves of their own: autograd would let the recording wait for
            # the stream on which another step met the parameters.
            leaves = {name: x.detach().requires_grad_() for name, x in wanted.items()}
            values = run(leaves, self.inputs)
            total = sum(value for name, value in values.items() if 'loss' in name)
            gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
            return {name: value.detach() for name, value in values.items()}, gradients

        with precision:
            with torch.cuda.stream(stream):
                for _ in range(self.WARM_UP):
                    step()
            torch.cuda.current_stream().wait_stream(stream)
            self.graph = torch.cuda.CUDAGraph()
            # thread_local: the data loader pins memory in a thread of its own meanwhile.
            with torch.cuda.graph(self.graph, capture_error_mode='thread_local'):
                self.losses, self.gradients = step()
        for buffer, value in zip(losses.buffers(), before, strict=True):
            buffer.copy_(value)  # the warm-up was no step

    def fits(self, tensors: list[Tensor]) -> bool:
        """Whether a batch has the shapes and types that were recorded."""
        own = [(x.shape, x.dtype) for x in self.inputs]
        return own == [(x.shape, x.dtype) for x in tensors]

    def __call__(self, tensors: list[Tensor]) -> dict[str, Tensor]:
        """Replay for a batch; the losses are summed and propagated as those of any model."""
        torch._foreach_copy_(self.inputs, tensors)
        self.graph.replay()
        losses = {name: value.clone() for name, value in self.losses.items()}
        first = next(name for name in losses if 'loss' in name)
        losses[first] = losses[first] + _Gradients.apply(self.gradients, *self.parameters)
        return losses


class _Gradients(torch.autograd.Function):
    """A zero whose gradients are those of the sum of the losses."""

    @staticmethod
    def forward(ctx, gradients: tuple[Tensor | None, ...], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return parameters[0].new_zeros(())

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        known = [x for x in ctx.gradients if x is not None]
        scaled = iter(torch._foreach_mul(known, grad))
        return None, *(None if x is None else next(scaled) for x in ctx.gradients)
