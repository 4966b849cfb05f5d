"""Test a trained localizer."""

import argparse

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack

from asl_mmaction.apis.loading import (
    check_classes,
    classes_of,
    dataset_meta,
    load_checkpoint,
    load_weights,
)
from asl_mmaction.cli.arguments import (
    configure,
    for_this_run,
    keep_freed_memory,
    make_parser,
    metrics_that_write,
    report_mistakes,
    write_results_to,
)
from asl_mmaction.cli.checks.loops import check_loops
from asl_mmaction.cli.runner import build_runner


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    keep_freed_memory()
    with report_mistakes():
        config = configure(args)
        notes = forget_results(config, args)
        run = for_this_run(config, args)
        run.resume, run.load_from = False, None  # the checkpoint to test is an argument
        if args.out is not None:
            write_results_to(run, args.out)
        content = load_checkpoint(args.checkpoint)
        runner = build_runner(run, config)
        # The Runner would load whatever fits and test the rest untrained.
        load_weights(runner.model, content, args.checkpoint)
        trained = {f'the checkpoint {args.checkpoint}': dataset_meta(content).get('classes')}
        check_classes(config, trained | classes_of('test', runner.test_loop))
        check_loops(test=runner.test_loop)
        for note in notes:
            runner.logger.warning(note)
        runner.test()
    return 0


def forget_results(config, args: argparse.Namespace) -> list[str]:
    """Take out of the config where an earlier test wrote its results; a line that says so."""
    if any(key.startswith('test_evaluator.') for key in args.cfg_options):
        return []
    folders = [metric.pop('out_dir', None) for metric in metrics_that_write(config)]
    return [
        f'test_evaluator.out_dir={folder} of {args.config} has no effect: the option --out asks '
        'for files'
        for folder in filter(None, folders)
    ]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint that a training wrote')
    parser.add_argument(
        '--out', metavar='DIR', help='write detections.json and metrics.json into this folder'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    raise SystemExit(main())
