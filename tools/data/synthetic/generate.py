"""Generate the synthetic demo data (see asl_mmaction/datasets/preparation/synthetic.py)."""

import argparse
import sys
from pathlib import Path

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.synthetic import generate


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('data/demo'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--num-train', type=int, default=120, help='training videos')
    parser.add_argument('--num-test', type=int, default=40, help='test videos')
    args = parser.parse_args(argv)
    with report_mistakes():
        generate(args.out, seed=args.seed, num_train=args.num_train, num_test=args.num_test)
    print(f'{args.num_train} training and {args.num_test} test sequences written to {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
