"""Time and memory of BackTAL's training step, alone or beside the public code.

    python benchmarks/bench_backtal.py                             THUMOS14: 16 videos of 750 steps
    python benchmarks/bench_backtal.py --shape activitynet12 --public DIR

DIR is a checkout of VividLe/BackTAL, which is run as it is, on a CPU. A step: forward, losses,
backward, Adam. Each side runs in a process of its own, one thread, so that its peak memory is its
own; the time is that of the processor, the least of the repeats. Features and clicks are random.
The public code weighs thirds of the channels where the formula weighs taps: the amount of work is
the same.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import types
from pathlib import Path

import torch

# config, videos of a batch, steps, name in the public code, r and r' of the separation
SHAPES = {
    'thumos14': ('backtal/backtal_thumos14.py', 16, 750, 'THUMOS14', 0.125, 0.125),
    'activitynet12': ('backtal/backtal_activitynet12.py', 128, 100, 'ActivityNet1.2', 0.6, 0.2),
}
CLICKS = 12  # of a video


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--shape', choices=SHAPES, default='thumos14')
    parser.add_argument('--batch-size', type=int, help='videos, instead of those of the shape')
    parser.add_argument('--repeats', type=int, default=2, help='steps behind the first one')
    parser.add_argument('--public', type=Path, help='checkout of VividLe/BackTAL')
    parser.add_argument('--side', choices=['ours', 'public'], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(measure(args)))
        return 0
    found = {}
    for side in ('ours', *(['public'] if args.public else [])):
        command = [sys.executable, __file__, *sys.argv[1:], '--side', side]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[side] = json.loads(done.stdout.splitlines()[-1])
        print(f'{side:<8}{found[side]["seconds"]:8.2f} s a step{found[side]["mib"]:8.0f} MiB')
    if args.public:
        faster = found['public']['seconds'] / found['ours']['seconds']
        share = found['ours']['mib'] / found['public']['mib']
        print(f'{faster:.2f} times as fast, {100 * share:.0f} % of the memory')
    return 0


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Processor seconds of the fastest step, and MiB that the steps needed at most."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config, videos, steps, name, ratio, separation = SHAPES[args.shape]
    videos = args.batch_size or videos
    from common import build_model, load_config  # isort: skip  imports asl_mmaction

    settings = load_config(config)
    width, classes = settings.model.head.in_channels, settings.model.head.num_classes
    x = torch.randn(videos, steps, width)
    labels = torch.zeros(videos, classes)
    labels[:, 0] = 1
    clicks = torch.full((videos, steps), -100)
    clicks[:, torch.randperm(steps)[:CLICKS]] = classes
    if args.side == 'public':
        step = public_step(args.public, x, labels, clicks, name, ratio, separation)
    else:
        step = our_step(build_model(settings), x, labels, clicks)
    before, seconds = peak_mib(), []
    for _ in range(1 + args.repeats):
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return {'seconds': min(seconds[1:] or seconds), 'mib': peak_mib() - before}


def our_step(model, x, labels, clicks):
    from asl_mmaction.structures.weak_labels import WeakLabels

    masks = torch.ones(x.shape[:2], dtype=torch.bool)
    weak = WeakLabels(labels, clicks)
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-4, weight_decay=5e-4)

    def step():
        optimizer.zero_grad()
        losses = model(inputs=x, masks=masks, ground_truths=weak, mode='loss')
        sum(losses.values()).backward()
        optimizer.step()

    return step


def public_step(folder, x, labels, clicks, name, ratio, separation):
    torch.Tensor.cuda = lambda self, *args, **kwargs: self  # it has no other device
    sys.path.insert(0, str(folder / 'lib'))
    from criterion.loss import BackTALLoss
    from models.network import Network

    spaces = types.SimpleNamespace
    config = spaces(
        NETWORK=spaces(
            FEAT_DIM=x.size(2),
            CASMODULE_DROPOUT=0.7,
            TOPK_K_R=ratio,
            TOPK_K_R_FOR_LOSS=separation,
            TH_SIMILAR_MIN=0.5,
            TH_DIFFERENT_MAX=0.1,
        ),
        DATASET=spaces(CLS_NUM=labels.size(1), NUM_SEGMENTS=x.size(1), NAME=name),
        TRAIN=spaces(C_LOSS_NORM=1e-4, C_LOSS_TOPK_BG=1.0, C_LOSS_EMBEDDING=0.8),
    )
    network, loss = Network(config).train(), BackTALLoss(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=5e-4)
    x = x.transpose(1, 2).contiguous()

    def step():
        optimizer.zero_grad()
        outputs = network(x, True)
        loss(config, *outputs, labels, clicks, None)[0].backward()
        optimizer.step()

    return step


def peak_mib() -> float:
    """Most memory of the process so far; kilobytes on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == '__main__':
    sys.exit(main())
