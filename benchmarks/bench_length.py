"""Cost of windowed attention against length: time and peak memory of inference and training.

    python benchmarks/bench_length.py                           1k to 64k steps, width 128
    python benchmarks/bench_length.py --width 512 --device cuda

One clip; the model of the HAPT config with window 19. Memory is what the work adds at its peak: on
a CPU to the process, which is a fresh one for every row; a GPU's allocator counts for itself. Full
attention (`--full`, up to 16k steps) stands beside it. Linear means: ms and MB a thousand steps
stay the same down a column.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource

from common import (  # isort: skip  first: it imports asl_mmaction before all else
    build_model,
    collate,
    in_turns,
    load_config,
    machine,
    random_clips,
)
import torch

from asl_mmaction.cli.memory import keep_freed_memory

WINDOW, FULL_LIMIT = 19, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--lengths', type=int, nargs='+', default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument('--width', type=int, default=128)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--full', action='store_true', help='full attention as well')
    arguments = parser.parse_args()
    print(f'Window {WINDOW}, width {arguments.width}, {machine(arguments.device)}')
    print('attention  work       steps         ms  ms / 1k        MB  MB / 1k')
    threads = torch.get_num_threads()
    for window in (WINDOW, None) if arguments.full else (WINDOW,):
        for train in (False, True):
            for thousands in arguments.lengths:
                if window is None and thousands > FULL_LIMIT:
                    continue
                job = (arguments, window, train, 1024 * thousands, threads)
                with multiprocessing.get_context('spawn').Pool(1) as pool:
                    time, memory = pool.apply(measure, job)
                kind = 'windowed' if window else 'full'
                what = 'training' if train else 'inference'
                print(
                    f'{kind:9}  {what:9}  {1024 * thousands:6}  {time:9.1f}'
                    f'  {time / thousands:7.1f}  {memory:8.0f}  {memory / thousands:7.1f}',
                    flush=True,
                )


def measure(
    arguments: argparse.Namespace, window: int | None, train: bool, steps: int, threads: int
) -> tuple[float, float]:
    """Median milliseconds, and megabytes at the peak."""
    keep_freed_memory()  # as tools/train.py and tools/test.py do
    torch.set_num_threads(threads)
    device = arguments.device
    config = load_config('actionformer/actionformer_hapt.py', arguments.width)
    config.model.neck.window_size = window
    model = build_model(config, device).train(train)
    channels, classes = config.model.projection.in_channels, config.model.head.num_classes

    def work(batch: dict) -> None:
        data = model.data_preprocessor(batch, training=train)
        if train:
            losses = model(**data, mode='loss')
            (losses['loss_cls'] + losses['loss_loc']).backward()
            model.zero_grad()
        else:
            with torch.no_grad():
                model(**data, mode='predict')

    work(collate(random_clips([64], channels, classes)))  # what libraries allocate once
    batch = collate(random_clips([steps], channels, classes))
    before = peak(device)
    time = in_turns({'': lambda: work(batch)}, arguments.repeats, device)['']
    return time, peak(device) - before


def peak(device: str) -> float:
    """Megabytes in use at most so far."""
    if device == 'cpu':
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return torch.cuda.max_memory_allocated() / 2**20


if __name__ == '__main__':
    main()
