"""Test a trained localizer."""

import argparse

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
from mmengine.runner import Runner

from asl_mmaction.apis.loading import (
    check_classes,
    classes_of,
    dataset_meta,
    load_checkpoint,
    load_weights,
)
from asl_mmaction.apis.loops import check_loops
from asl_mmaction.engine.cli import (
    configure,
    keep_freed_memory,
    make_parser,
    report_mistakes,
    write_results_to,
)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        config = configure(args)
        if args.out is not None:
            write_results_to(config, args.out)
        content = load_checkpoint(args.checkpoint)
        runner = Runner.from_cfg(config)
        # The Runner would load whatever fits and test the rest untrained.
        load_weights(runner.model, content, args.checkpoint)
        trained = {f'the checkpoint {args.checkpoint}': dataset_meta(content).get('classes')}
        check_classes(config, trained | classes_of('test', runner.test_loop))
        check_loops(test=runner.test_loop)
        runner.test()
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
