"""Train a localizer."""

import argparse
import os


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings to change'
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='of jobs'
    )
    # torch.distributed.launch passes it, torchrun does not.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='go on from a checkpoint, or without one from the latest in the work dir',
    )
    parser.add_argument(
        '--epochs', type=int, help='train for so many, with a warm-up and schedules to match'
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='build all, run a few steps, say how large, slow and hungry it is; keep nothing',
    )
    parser.add_argument(
        '--print-config', nargs='?', const='', metavar='KEY', help='print the config, or a part'
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16), CPU or GPU')
    parser.add_argument('--no-validate', action='store_true', help='no validation while training')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate from auto_scale_lr.base_batch_size to the batch size in use',
    )
    parser.add_argument('--seed', type=int, help='of everything random')
    args = parser.parse_args(argv)
    known_by_name = args.config.isidentifier() or '::' in args.config  # of an installed package
    if not known_by_name and not os.path.exists(args.config):
        parser.error(f'expected a config file but got {args.config}, which does not exist')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack

from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.memory import keep_freed_memory
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.training import train


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        args.cfg_options = parse_cfg_options(args.cfg_options)
        text = train(args)
    if text is not None:
        print(text)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
