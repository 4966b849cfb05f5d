"""What tools/test.py does before the first batch."""

from __future__ import annotations

import argparse
import inspect

from mmaction.registry import METRICS
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner

from asl_mmaction.apis.classes import check_classes, classes_of
from asl_mmaction.cli.checks.loops import check_loops
from asl_mmaction.cli.runner import build_runner, configure, for_this_run
from asl_mmaction.files.checkpoint import dataset_meta, load_checkpoint, load_weights
from asl_mmaction.files.mistakes import Mistake


def runner_to_test(args: argparse.Namespace) -> Runner:
    """The Runner, once data, model and checkpoint fit each other."""
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
    return runner


def forget_results(config: Config, args: argparse.Namespace) -> list[str]:
    """Take out of the config where an earlier test wrote its results; a line that says so."""
    if any(key.startswith('test_evaluator.') for key in args.cfg_options):
        return []
    folders = [metric.pop('out_dir', None) for metric in metrics_that_write(config)]
    return [
        f'test_evaluator.out_dir={folder} of {args.config} has no effect: the option --out asks '
        'for files'
        for folder in filter(None, folders)
    ]


def metrics_that_write(config: Config) -> list[ConfigDict]:
    """The metrics of the test that can write files."""
    evaluators = config.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    return [
        metric
        for metric in evaluators
        if 'out_dir' in inspect.signature(METRICS.get(metric.type) or object).parameters
    ]


def write_results_to(config: Config, folder: str) -> None:
    """Let every metric of the test that can write files write them into a folder.

    Raises:
        Mistake: there is none.
    """
    metrics = metrics_that_write(config)
    if not metrics:
        raise Mistake(f'expected a TALMetric in test_evaluator of {config.filename} for --out')
    for metric in metrics:
        metric.out_dir = folder
