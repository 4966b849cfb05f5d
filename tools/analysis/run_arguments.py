"""The arguments of compare.py and ablate.py on the runs that they make."""

import argparse
from pathlib import Path


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say how to make the runs and what to print of them."""
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--keys', nargs='+', default=['mAP'], help='metrics to print')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare'))
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time, one CPU thread each')
    parser.add_argument('--amp', action='store_true', help='train in bfloat16 mixed precision')
    parser.add_argument('--epochs', type=int, help="of every run, instead of the configs' own")
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='settings of every run; {seed} in a value is its seed',
    )
