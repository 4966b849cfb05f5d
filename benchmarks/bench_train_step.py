"""Speed of the training step beside the same step in its plain form.

    python benchmarks/bench_train_step.py                       the HAPT shape, widths 128 and 512
    python benchmarks/bench_train_step.py --actionformer DIR    beside a checkout of the public code
    python benchmarks/bench_train_step.py --shape thumos14 --device cuda --actionformer DIR \\
        --graph --compile --precision bfloat16

A step: pad, forward, backward, clip, AdamW, moving average. Plain: every clip padded to a fixed
length, torch's conv1d, attention under a (T, T) mask, optimizer and average parameter by parameter.
Compiled: ours with torch.compile for losses and gradients, padded to the longest clip. Graph: the
same recorded as a CUDA graph. All start from one model and must report one loss, but for what a GPU
draws for drop-path. Public: the ActionFormer of
happyharrycn/actionformer_release with as many parameters, its loss, AdamW, clipping and average;
its weights are others, and so is its loss. Clips are random, as long as those of the data set. Last
come the multiplications and additions of the model (counted with plain convolutions) a second, and
their share of the machine's own float32 matrix product.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import time
import types
from contextlib import nullcontext
from pathlib import Path

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
from mmengine.hooks import Hook
from mmengine.model import MomentumAnnealingEMA
from torch.utils.flop_counter import FlopCounterMode

from asl_mmaction.engine.ema import ForeachEMA
from asl_mmaction.engine.hooks import CompileHook, CudaGraphHook

# config, least and greatest length of a clip, length to which the plain form and the public code
# pad, default widths
SHAPES = {
    'hapt': ('actionformer/actionformer_hapt.py', 600, 880, 1536, (128, 512)),
    'thumos14': ('actionformer/actionformer_thumos14.py', 2304, 2304, 2304, (512,)),
}
# TF32 in convolutions, the precision of matrix products in float32, autocast to bfloat16
PRECISIONS = {
    'float32': (False, 'highest', False),
    'default': (True, 'highest', False),
    'tf32': (True, 'high', False),
    'bfloat16': (True, 'high', True),
}


class Trainer:
    """A model with its optimizer and average."""

    def __init__(
        self,
        config,
        device: str,
        *,
        plain: bool = False,
        hook: Hook | None = None,
        min_len: int = 0,
        autocast: bool = False,
    ) -> None:
        config = copy.deepcopy(config)
        config.model.data_preprocessor.min_len = min_len
        self.model = build_model(config, device).train()
        if hook is not None:
            hook.before_train(types.SimpleNamespace(model=self.model))
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=1e-4, weight_decay=0.05, fused=not plain, foreach=False
        )
        average = MomentumAnnealingEMA if plain else ForeachEMA
        self.average = average(self.model, momentum=0.001, gamma=10)
        self.plain = plain
        self.precision = torch.autocast(device, torch.bfloat16, autocast)

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
        with self.precision:
            losses = self.model(**inputs, mode='loss')
        return sum(value for name, value in losses.items() if 'loss' in name)


class PublicTrainer:
    """The same of the public ActionFormer, in a checkout of which ``folder`` is."""

    def __init__(
        self, config, device: str, folder: Path, max_seq_len: int, autocast: bool = False
    ) -> None:
        # Its C++ NMS, which training does not need, may be uncompiled.
        sys.modules.setdefault('nms_1d_cpu', types.ModuleType('nms_1d_cpu'))
        sys.path.insert(0, str(folder))
        from libs.core.config import load_default_config
        from libs.modeling import make_meta_arch
        from libs.utils import ModelEma

        model, settings = config.model, load_default_config()
        width = model.projection.out_channels
        settings['train_cfg'] |= {
            'init_loss_norm': model.head.loss_normalizer,
            'label_smoothing': model.head.loss_cls.get('label_smoothing', 0.0),
        }
        sizes = {
            'input_dim': model.projection.in_channels,
            'embd_dim': width,
            'fpn_dim': width,
            'head_dim': width,
            'n_mha_win_size': model.neck.window_size,
            'num_classes': model.head.num_classes,
            'max_seq_len': max_seq_len,
            'train_cfg': settings['train_cfg'],
            'test_cfg': settings['test_cfg'],
        }
        torch.manual_seed(0)
        self.model = make_meta_arch('LocPointTransformer', **settings['model'] | sizes)
        self.model.to(device).train()
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, weight_decay=0.05)
        self.average = ModelEma(self.model)
        self.precision = torch.autocast(device, torch.bfloat16, autocast)

    def step(self, batch: dict) -> torch.Tensor:
        """One step; its loss."""
        videos = [
            {
                'feats': feature.T,
                'segments': sample.gt_instances.segments,
                'labels': sample.gt_instances.labels,
                'video_id': sample.video_name,
                'duration': sample.duration,
                'fps': 1.0,
                'feat_stride': 1.0,
                'feat_num_frames': 1.0,
            }
            for feature, sample in zip(batch['inputs'], batch['data_samples'], strict=True)
        ]
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision:
            loss = self.model(videos)['final_loss']
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.average.update(self.model)
        return loss.detach()


def bench(config, shape: tuple, arguments: argparse.Namespace, width: int) -> None:
    _, low, high, fixed, _ = shape
    device = arguments.device
    autocast = PRECISIONS[arguments.precision][2]
    draw = random.Random(0)
    lengths = [draw.randint(low, high) for _ in range(2 * arguments.repeats + 2)]
    clips = random_clips(
        lengths, config.model.projection.in_channels, config.model.head.num_classes
    )
    batches = [collate(clips[i : i + 2]) for i in range(0, len(clips), 2)]
    trainers = {
        'ours': Trainer(config, device, autocast=autocast),
        'plain': Trainer(config, device, plain=True, min_len=fixed, autocast=autocast),
    }
    if arguments.graph:
        trainers['graph'] = Trainer(
            config, device, hook=CudaGraphHook(), min_len=high, autocast=autocast
        )
    if arguments.compile:
        trainers['compiled'] = Trainer(
            config, device, hook=CompileHook(), min_len=high, autocast=autocast
        )
    losses = {}
    for name, trainer in trainers.items():
        torch.manual_seed(0)  # one drop-path for all
        start = time.perf_counter()
        losses[name] = float(trainer.step(batches[0]))
    if arguments.compile:
        print(f'{width:5}  first compiled step: {time.perf_counter() - start:.0f} s')
    drawn = {name: value for name, value in losses.items() if device == 'cpu' or name != 'graph'}
    rounding = 3e-2 if arguments.precision == 'bfloat16' else 1e-3 if device != 'cpu' else 1e-4
    if max(drawn.values()) - min(drawn.values()) > rounding * losses['plain']:
        raise RuntimeError(f'the losses disagree: {losses}')
    if arguments.actionformer:
        public = PublicTrainer(config, device, arguments.actionformer, fixed, autocast)
        counts = [sum(x.numel() for x in t.parameters) for t in (public, trainers['ours'])]
        if counts[0] != counts[1]:
            raise RuntimeError(f'the numbers of parameters disagree: {counts}')
        trainers['public'] = public

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
    ratios = '  '.join(
        f'{medians[name] / medians["ours"]:12.2f}'
        for name in ('plain', 'public')
        if name in medians
    )
    print(f'{width:5}  {cells}  {ratios}  {rate:11.0f}  {top:13.0f}  {rate / top:5.0%}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--shape', choices=SHAPES, default='hapt')
    parser.add_argument('--widths', type=int, nargs='+')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--precision', choices=PRECISIONS, default='float32')
    parser.add_argument('--graph', action='store_true', help='another column: CUDA graphs')
    parser.add_argument('--compile', action='store_true', help='another column: torch.compile')
    parser.add_argument(
        '--actionformer', type=Path, metavar='DIR', help='another column: the public code in DIR'
    )
    arguments = parser.parse_args()
    shape = SHAPES[arguments.shape]
    convolutions, products, _ = PRECISIONS[arguments.precision]
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.set_float32_matmul_precision(products)
    print(
        f'Training step, {arguments.shape} shape, batch 2, {arguments.precision}, '
        f'{machine(arguments.device)}'
    )
    names = ['ours', 'plain', *['graph'] * arguments.graph, *['compiled'] * arguments.compile]
    names += ['public'] if arguments.actionformer else []
    ratios = [f'{name} / ours' for name in names if name in ('plain', 'public')]
    columns = [*(f'{name} ms'.rjust(11) for name in names), *(name.rjust(12) for name in ratios)]
    print('width', *columns, 'GFLOP/s ours  matrix product  share', sep='  ')
    for width in arguments.widths or shape[4]:
        bench(load_config(shape[0], width), shape, arguments, width)


if __name__ == '__main__':
    main()
