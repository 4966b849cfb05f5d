"""Test a trained localizer."""

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
    parser.add_argument('checkpoint', help='checkpoint that a training wrote')
    parser.add_argument(
        '--out', metavar='DIR', help='write detections.json and metrics.json into this folder'
    )
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
from asl_mmaction.cli.testing import runner_to_test


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        args.cfg_options = parse_cfg_options(args.cfg_options)
        runner_to_test(args).test()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
