"""Speed of the training step beside the same step in its plain form.

    python benchmarks/bench_train_step.py                       the HAPT shape, widths 128 and 512
    python benchmarks/bench_train_step.py --shape thumos14 --device cuda --compile

A step: pad, forward, backward, clip, AdamW, moving average. Plain: every clip padded to a fixed
length, torch's conv1d, attention under a (T, T) mask, optimizer and average parameter by parameter.
Compiled: ours with torch.compile for losses and gradients, padded to the longest clip. All start
from one model and must report one loss. Clips are random, as long as those of the data set. Last
come the multiplications and additions of the model (counted with plain convolutions) a second, and
their share of the machine's own float32 matrix product.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from contextlib import nullcontext

from common import (  # isort: skip  first: it imports asl_mmaction before all else
    build_model,
    collate,
    in_turns,
    load_config,
    machine,
    matmul_rate,
    plain_layers,
    random_clips,
)
import torch
from mmengine.model import MomentumAnnealingEMA
from torch.utils.flop_counter import FlopCounterMode

from asl_mmaction.engine.optimizers import ForeachEMA

# config, least and greatest length of a clip, length of the plain form's padding, default widths
SHAPES = {
    'hapt': ('actionformer/actionformer_hapt.py', 600, 880, 1536, (128, 512)),
    'thumos14': ('actionformer/actionformer_thumos14.py', 2304, 2304, 2304, (512,)),
}


class Trainer:
    """A model with its optimizer and average."""

    def __init__(
        self, config, device: str, *, plain: bool = False, compiled: bool = False, min_len: int = 0
    ) -> None:
        config = copy.deepcopy(config)
        config.model.data_preprocessor.min_len = min_len
        self.model = build_model(config, device).train()
        if compiled:
            self.model.forward = torch.compile(self.model.forward, dynamic=False)
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=1e-4, weight_decay=0.05, fused=not plain, foreach=False
        )
        average = MomentumAnnealingEMA if plain else ForeachEMA
        self.average = average(self.model, momentum=0.001, gamma=10)
        self.plain = plain

    def step(self, batch: dict) -> torch.Tensor:
        """One step; its loss."""
        with plain_layers() if self.plain else nullcontext():
            loss = self.loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.average.update_parameters(self.model)
        return loss.detach()

    def loss(self, batch: dict) -> torch.Tensor:
        inputs = self.model.data_preprocessor(batch, training=True)
        losses = self.model(**inputs, mode='loss')
        return sum(value for name, value in losses.items() if 'loss' in name)


def bench(config, shape: tuple, arguments: argparse.Namespace, width: int) -> None:
    _, low, high, fixed, _ = shape
    device = arguments.device
    draw = random.Random(0)
    lengths = [draw.randint(low, high) for _ in range(2 * arguments.repeats + 2)]
    clips = random_clips(
        lengths, config.model.projection.in_channels, config.model.head.num_classes
    )
    batches = [collate(clips[i : i + 2]) for i in range(0, len(clips), 2)]
    trainers = {
        'ours': Trainer(config, device),
        'plain': Trainer(config, device, plain=True, min_len=fixed),
    }
    if arguments.compile:
        trainers['compiled'] = Trainer(config, device, compiled=True, min_len=high)
    losses = {}
    for name, trainer in trainers.items():
        torch.manual_seed(0)  # one drop-path for all
        start = time.perf_counter()
        losses[name] = float(trainer.step(batches[0]))
    if arguments.compile:
        print(f'{width:5}  first compiled step: {time.perf_counter() - start:.0f} s')
    if max(losses.values()) - min(losses.values()) > 1e-4 * losses['plain']:
        raise RuntimeError(f'the losses disagree: {losses}')

    def stepper(trainer):
        rest = iter(batches)
        return lambda: trainer.step(next(rest))

    medians = in_turns(
        {name: stepper(trainer) for name, trainer in trainers.items()}, arguments.repeats, device
    )
    with plain_layers(attention=False), FlopCounterMode(display=False) as counter:
        trainers['ours'].loss(batches[0]).backward()
    steps = max(len(x) for x in batches[0]['inputs'])
    mean = sum(max(len(x) for x in batch['inputs']) for batch in batches) / len(batches)
    rate = counter.get_total_flops() * mean / steps / medians['ours'] / 1e6
    top = matmul_rate(device)
    cells = '  '.join(f'{value:11.1f}' for value in medians.values())
    print(
        f'{width:5}  {cells}  {medians["plain"] / medians["ours"]:5.2f}  {rate:11.0f}  '
        f'{top:13.0f}  {rate / top:5.0%}'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--shape', choices=SHAPES, default='hapt')
    parser.add_argument('--widths', type=int, nargs='+')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--compile', action='store_true', help='a third column: torch.compile')
    arguments = parser.parse_args()
    shape = SHAPES[arguments.shape]
    print(f'Training step, {arguments.shape} shape, batch 2, float32, {machine(arguments.device)}')
    compiled = '  compiled ms' if arguments.compile else ''
    print(f'width      ours ms     plain ms{compiled}  ratio  GFLOP/s ours  matrix product  share')
    for width in arguments.widths or shape[4]:
        bench(load_config(shape[0], width), shape, arguments, width)


if __name__ == '__main__':
    main()
