"""All metrics of a file of results: no model, no config.

The results may come from anywhere: detections.json of tools/test.py, a peer's file in ActivityNet's
form. Videos of the subset without results count as videos in which nothing was found.

Example:
    python tools/analysis/evaluate.py work_dirs/my_asl/detections.json data/kitchen/annotations.json
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('results', type=Path, help='detections.json')
    parser.add_argument('annotations', type=Path, help='annotation file of the data set')
    parser.add_argument('--subset', nargs='+', help='without: those of the videos with results')
    parser.add_argument('--exclude', nargs='+', default=[], help='videos that do not count')
    parser.add_argument(
        '--tiou', nargs='+', type=float, default=[0.3, 0.4, 0.5, 0.6, 0.7], help='thresholds'
    )
    parser.add_argument('--recall', nargs='+', type=int, default=[], help='k of Recall@kx')
    parser.add_argument('--recall-tiou', type=float, default=0.5, help='its threshold')
    parser.add_argument(
        '--lengths', nargs=4, type=float, help='seconds: upper ends of XS, S, M and L, for AP each'
    )
    parser.add_argument('--out', type=Path, help='metrics.json to write')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import evaluate
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.evaluation.metrics.reports import format_table
from asl_mmaction.files.writing import write_json


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        report = evaluate(
            args.results,
            args.annotations,
            subsets=args.subset,
            exclude=args.exclude,
            tiou_thresholds=args.tiou,
            recall_multiples=args.recall,
            recall_tiou=args.recall_tiou,
            length_edges=args.lengths,
        )
        if args.out:
            write_json(args.out, report)
    print(format_table(**report))
    if args.out:
        print(f'wrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
