"""Test a trained localizer."""

import argparse

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack

from asl_mmaction.cli.arguments import make_parser
from asl_mmaction.cli.memory import keep_freed_memory
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.testing import runner_to_test


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        runner_to_test(args).test()
    return 0


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint that a training wrote')
    parser.add_argument(
        '--out', metavar='DIR', help='write detections.json and metrics.json into this folder'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
