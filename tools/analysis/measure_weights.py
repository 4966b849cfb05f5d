"""Say what the weights that a training learned do to its gradients."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)
NAMES = {
    'cls': 'classification',
    'loc': 'localization',
    'loss_cls': 'classification',
    'loss_loc': 'localization',
    'both': 'both',
    'loss_sensitivity': 'quality',
    'loss_ascl': 'contrast',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or asl_mmaction::asl/asl_hapt.py')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--batches', type=int, default=12, metavar='N', help='of the training data')
    parser.add_argument('--seed', type=int, default=0, help='of their order')
    args = parser.parse_args(argv)
    if args.batches < 1:
        parser.error(f'expected --batches N >= 1 but got {args.batches}')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import measure_weights
from asl_mmaction.cli.mistakes import report_mistakes


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        effect = measure_weights(
            args.config, args.checkpoint, num_batches=args.batches, seed=args.seed
        )
    heads = ''.join(f'{f"{100 * q:g} %":>10}' for q in QUANTILES)
    print(f'{"weights h of positives":29}{heads}')
    for kind, values in effect.weights.items():
        print_row(NAMES[kind], np.quantile(values, QUANTILES) if len(values) else [np.nan] * 5)
    columns = f'{"cosine":>10}{"length":>10}'
    print(f'\n{"gradient to that with h = 1":29}{columns}{"difference":>12}')
    for name, row in effect.weighed.items():
        print_row(NAMES[name], row)
    if effect.others:
        print(f'\n{"other losses to both":29}{columns}')
    for name, row in sorted(effect.others.items()):
        print_row(NAMES.get(name, name), row[:2])
    print(f'\ncosine of one batch and the next: {effect.between_batches:.3f}')
    return 0


def print_row(name: str, values: Iterable[float]) -> None:
    print(f'  {name:27}' + ''.join(f'{value:10.4f}' for value in values))


if __name__ == '__main__':
    sys.exit(main())
