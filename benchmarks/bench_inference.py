"""Speed of inference with post-processing beside its plain form, one recording after the other.

    python benchmarks/bench_inference.py                        19 recordings of HAPT's lengths
    python benchmarks/bench_inference.py --config actionformer/actionformer_hapt.py \\
        --checkpoint work_dirs/actionformer_hapt/epoch_45.pth --data      the real ones

Ours: batches as the config has them. Plain: one by one, each padded to a fixed length, torch's
conv1d, attention under a (T, T) mask; the post-processing is the same, so are the detections.
Random weights leave the post-processing more candidates of equal rank than trained ones.
"""

from __future__ import annotations

import argparse

from common import (  # isort: skip  first: it imports asl_mmaction before all else
    build_model,
    collate,
    in_turns,
    load_config,
    machine,
    plain_layers,
    random_clips,
)
import torch
from mmaction.registry import DATASETS

from asl_mmaction.apis import load_checkpoint
from asl_mmaction.files.checkpoint import load_weights

# Lengths of HAPT's test recordings, in steps.
LENGTHS = [396, 464, 625, 630, 636, 646, 650, 663, 665, 687, 707, 712, 719, 721, 777, 788, 802]
LENGTHS += [829, 896]
FIXED = 1536


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='actionformer/actionformer_hapt.py')
    parser.add_argument('--checkpoint', help='trained weights')
    parser.add_argument('--data', action='store_true', help="the config's test set")
    parser.add_argument('--batch-sizes', type=int, nargs='+')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--repeats', type=int, default=7)
    arguments = parser.parse_args()
    config, device = load_config(arguments.config), arguments.device
    model = build_model(config, device).eval()
    if arguments.checkpoint:
        load_weights(model, load_checkpoint(arguments.checkpoint), arguments.checkpoint)
    if arguments.data:
        dataset = DATASETS.build(config.test_dataloader.dataset)
        clips = [dataset[i] for i in range(len(dataset))]
    else:
        model_config = config.model
        clips = random_clips(
            LENGTHS, model_config.projection.in_channels, model_config.head.num_classes
        )

    @torch.no_grad()
    def run(size: int) -> list:
        found = []
        for first in range(0, len(clips), size):
            found += model.test_step(collate(clips[first : first + size]))
        return [sample.pred_instances for sample in found]

    def plain() -> list:
        preprocessor = model.data_preprocessor
        preprocessor.min_len = FIXED
        with plain_layers():
            found = run(1)
        preprocessor.min_len = 0
        return found

    sizes = arguments.batch_sizes or [1, config.test_dataloader.batch_size]
    for ours, theirs in zip(run(sizes[-1]), plain(), strict=True):
        torch.testing.assert_close(ours.scores, theirs.scores, atol=1e-4, rtol=1e-3)
    functions = {f'batch {size}': lambda size=size: run(size) for size in sizes}
    medians = in_turns({'plain': plain, **functions}, arguments.repeats, device)
    print(f'Inference and SoftNMS, {len(clips)} recordings, {machine(device)}')
    print('what       ms a recording  ratio')
    for name, value in medians.items():
        print(f'{name:9}  {value / len(clips):14.1f}  {medians["plain"] / value:5.2f}')


if __name__ == '__main__':
    main()
