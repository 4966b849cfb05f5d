"""Train a localizer."""

import argparse

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack

from asl_mmaction.cli.arguments import make_parser
from asl_mmaction.cli.memory import keep_freed_memory
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.training import train


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        text = train(args)
    if text is not None:
        print(text)
    return 0


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
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
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
