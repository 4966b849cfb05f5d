"""Generate synthetic data: where a frame matters is known, or what is context and no action.

Kind ``moments``: asl_mmaction/datasets/preparation/synthetic.py. Kind ``context``: context.py
beside it.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--kind', choices=['moments', 'context'], default='moments')
    parser.add_argument('--out', type=Path, help='folder; data/demo, or data/context_demo')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--num-train', type=int, default=120, help='training videos')
    parser.add_argument('--num-test', type=int, help='test videos; 40, or 60')
    parser.add_argument('--click-seed', type=int, help='of the clicks of kind context; 0')
    args = parser.parse_args(argv)
    if args.click_seed is not None and args.kind != 'context':
        parser.error(f'expected --click-seed with --kind context alone but got --kind {args.kind}')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation import context, synthetic

#: Kind -> what makes it, its folder, and its test sequences.
KINDS = {
    'moments': (synthetic.generate, 'data/demo', 40),
    'context': (context.generate, 'data/context_demo', 60),
}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    options = {} if args.click_seed is None else {'click_seed': args.click_seed}
    generate, folder, num_test = KINDS[args.kind]
    out = args.out or Path(folder)
    num_test = num_test if args.num_test is None else args.num_test
    with report_mistakes():
        generate(out, seed=args.seed, num_train=args.num_train, num_test=num_test, **options)
    print(f'{args.num_train} training and {num_test} test sequences written to {out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
