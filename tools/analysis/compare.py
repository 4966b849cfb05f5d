"""Train several configs with several seeds and print one table in Markdown.

Every run is ``tools/train.py`` and then ``tools/test.py`` on its last checkpoint, in
``WORK_DIR/<config>/seed_<seed>``. A run that already has its metrics.json is not repeated, so that
an interrupted comparison goes on where it stopped. What a run was made with is in its options.json
(without one: no options), and the Runner leaves its config there: runs made with other options than
those asked for, or of a config that has changed since, are refused.

With ``--results`` nothing is run: finished runs' detections are scored by one protocol, also per
class, and the differences to the first have an interval from a paired bootstrap over recordings.

Example:
    python tools/analysis/compare.py configs/actionformer/actionformer_hapt.py \
        configs/asl/asl_hapt.py --seeds 0 1 2 --keys mAP mAP_strict
    python tools/analysis/compare.py --annotations data/hapt/annotations.json \
        --results work_dirs/compare/actionformer_hapt work_dirs/compare/asl_hapt
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from run_arguments import add_run_arguments


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('configs', nargs='*', type=Path, help='config files; the first is the base')
    add_run_arguments(parser)
    finished = parser.add_argument_group('finished runs, in place of configs')
    finished.add_argument(
        '--results',
        nargs='+',
        type=Path,
        metavar='DIR',
        help='folders of detections.json or of seeds, or such files; the first is the base',
    )
    finished.add_argument('--annotations', type=Path, help='of the data set')
    finished.add_argument('--subset', nargs='+', help='without: those of the videos with results')
    finished.add_argument(
        '--tiou',
        nargs='+',
        type=float,
        help='thresholds; without: those of metrics.json beside the results, or 0.3 .. 0.7',
    )
    finished.add_argument(
        '--resamples', type=int, default=1000, help='of the recordings; 0: no intervals'
    )
    args = parser.parse_args(argv)
    if bool(args.configs) == bool(args.results):
        parser.error(f'expected configs or --results but got {"both" if args.results else "none"}')
    if bool(args.results) != bool(args.annotations):
        parser.error('expected --results and --annotations together but got one of them')
    return args


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from result_tables import compare_finished, table

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack

from asl_mmaction.apis import load_config
from asl_mmaction.cli.arguments import parse_cfg_options
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.past_runs import (
    OPTIONS,
    check_config,
    check_options,
    check_seeds,
    read_metrics,
)
from asl_mmaction.cli.progress import RunsProgress
from asl_mmaction.cli.trial import shorten
from asl_mmaction.files.mistakes import Mistake
from asl_mmaction.files.reading import in_context

TOOLS = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """What the runs of one row of a table are made of.

    Attributes:
        name: Their folder within the work dir, with a ``seed_<seed>`` for each.
        config: Config file.
        options: Settings KEY=VALUE of this row over its config.
        test_options: More of them, of the test alone: the model is that of another row, ``model``.
        model: Name of the row that trains it, where there are test_options.
    """

    name: str
    config: Path
    options: tuple[str, ...] = ()
    test_options: tuple[str, ...] = ()
    model: str = ''

    @property
    def training(self) -> 'Row':
        """The row that trains the model: this one, but for test_options."""
        return Row(self.model, self.config, self.options) if self.test_options else self


def settings_of(row: Row, seed: int, args: argparse.Namespace) -> list[str]:
    """Settings KEY=VALUE of a run: those of its row, and those of every run.

    Raises:
        Mistake: Two of them set the same, or a part of it.
    """
    given = [text.replace('{seed}', str(seed)) for text in args.cfg_options]
    settings = sorted([*row.options, *row.test_options, *given])
    epochs = [] if args.epochs is None else [f'train_cfg.max_epochs={args.epochs}']
    # Of keys in this order, what lies within a key follows it.
    keys = sorted((text.partition('=')[0].split('.'), text) for text in [*settings, *epochs])
    for (outer, one), (inner, other) in pairwise(keys):
        if inner[: len(outer)] == outer:
            raise Mistake(f'expected each setting of {row.name} once but got {one} and {other}')
    return settings


def check_runs(rows: Sequence[Row], args: argparse.Namespace) -> None:
    """Let nothing start that could not be compared.

    Raises:
        Mistake: a config is not there or cannot be read, two rows share their folder, a
            setting or a seed is given twice, or a finished run was made with other options or with
            the config as it was before it was changed, or lacks a metric to print.
        ValueError: a finished run has no metrics.
    """
    check_seeds(args.seeds)
    if args.jobs < 1:
        raise Mistake(f'expected --jobs of 1 or more but got {args.jobs}')
    runs = [(row, seed, settings_of(row, seed, args)) for row in rows for seed in args.seeds]
    contents = {}
    for row, _, settings in runs:
        key = (row.config, *settings)
        if key not in contents:
            contents[key] = load_config(row.config, parse_cfg_options(settings))
            # What only tests a model is tested with the config's own epochs.
            if args.epochs is not None and row.training == row:
                with in_context(str(row.config)):
                    shorten(contents[key], args.epochs)
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise Mistake(f'expected configs of different names but got {", ".join(names)}')
    for row, seed, settings in runs:
        folder = folder_of(row, seed, args)
        if (folder / 'metrics.json').is_file():
            check_options(folder, options_of(settings, args))
            check_config(folder / row.config.name, contents[(row.config, *settings)])
            check_keys(read_metrics(folder), args.keys)


def check_keys(metrics: dict[str, float], keys: Sequence[str]) -> None:
    """Make sure that a run has the metrics to print."""
    for key in keys:
        if key not in metrics:
            raise Mistake(f'expected --keys of {", ".join(metrics)} but got {key}')


def options_of(settings: list[str], args: argparse.Namespace) -> dict:
    """What options.json says of a run."""
    return {'amp': args.amp, 'cfg_options': settings, 'epochs': args.epochs}


def is_done(row: Row, seed: int, args: argparse.Namespace) -> bool:
    """Whether a run was made already."""
    return (folder_of(row, seed, args) / 'metrics.json').is_file()


def folder_of(row: Row, seed: int, args: argparse.Namespace) -> Path:
    """Of a run."""
    return args.work_dir / row.name / f'seed_{seed}'


def run(row: Row, seed: int, args: argparse.Namespace, progress: RunsProgress) -> dict | None:
    """Train (but with test_options) and test once; metrics, or None and a line if either failed."""
    work_dir = folder_of(row, seed, args)
    if is_done(row, seed, args):
        return read_metrics(work_dir)
    name, log = f'{row.name}, seed {seed}', work_dir / 'train.log'
    work_dir.mkdir(parents=True, exist_ok=True)
    log.write_text('')
    with progress.run(name, log):
        succeeded = train_and_test(row, seed, args, log)
    if succeeded:
        return read_metrics(work_dir)
    lines = log.read_text(errors='replace').split('\n')
    cause = next((line.strip() for line in reversed(lines) if line.strip()), 'no output')
    progress.say(f'{name} failed: {cause} (see {log})')
    return None


def train_and_test(row: Row, seed: int, args: argparse.Namespace, log: Path) -> bool:
    """Whether both succeeded; their output goes to the log."""
    options = options_of(settings_of(row, seed, args), args)
    (log.parent / OPTIONS).write_text(json.dumps(options))
    env = dict(os.environ, OMP_NUM_THREADS='1') if args.jobs > 1 else None
    last = folder_of(row.training, seed, args) / 'last_checkpoint'
    with open(log, 'w') as file:
        if row.training == row and _call(train_command(row, seed, args), file, env):
            return False
        if not last.is_file():
            file.write(f'expected a model to test but got no {last}')
            return False
        return not _call(test_command(row, seed, args, last.read_text().strip()), file, env)


def test_command(row: Row, seed: int, args: argparse.Namespace, checkpoint: str) -> list:
    """What tests a run: tools/test.py and its arguments."""
    test = [TOOLS / 'test.py', row.config, checkpoint, '--out', folder_of(row, seed, args)]
    return [*test, *_folder_and_settings(row, seed, args)]


def train_command(row: Row, seed: int, args: argparse.Namespace) -> list:
    """What trains a run: tools/train.py and its arguments."""
    train = [TOOLS / 'train.py', row.config, '--seed', seed, '--no-validate']
    amp = ['--amp'] if args.amp else []
    epochs = [] if args.epochs is None else ['--epochs', args.epochs]
    return [*train, *amp, *epochs, *_folder_and_settings(row, seed, args)]


def _folder_and_settings(row: Row, seed: int, args: argparse.Namespace) -> list:
    settings = settings_of(row, seed, args)
    folder = folder_of(row, seed, args)
    return ['--work-dir', folder, *(['--cfg-options', *settings] if settings else [])]


def _call(command: list, log, env: dict | None) -> int:
    command = [sys.executable, *map(str, command)]
    return subprocess.run(command, stdout=log, stderr=log, env=env).returncode


def run_all(rows: Sequence[Row], args: argparse.Namespace) -> dict[str, dict[int, dict | None]]:
    """Metrics of the runs of each row, by seed; None and one line for each that failed.

    All models are trained before the rows that only test one of them. No run begins after one that
    lacks a metric to print.

    Raises:
        Mistake: see :func:`check_runs`, or a metric to print is none of a run's.
    """
    trainings = list(dict.fromkeys(row.training for row in rows))
    tests = [row for row in rows if row.training != row]
    check_runs([*trainings, *tests], args)
    steps = [[(row, seed) for seed in args.seeds for row in part] for part in (trainings, tests)]
    todo = [job for jobs in steps for job in jobs if not is_done(*job, args)]
    done: dict[tuple[Row, int], dict | None] = {}
    missing: set[str] = set()

    def measure(job: tuple[Row, int]) -> dict | None:
        metrics = None if missing else run(*job, args, progress)
        if metrics is not None:
            missing.update(set(args.keys) - metrics.keys())
        return metrics

    with RunsProgress(len(todo)) as progress, ThreadPoolExecutor(args.jobs) as pool:
        for jobs in steps:
            done.update(zip(jobs, pool.map(measure, jobs), strict=True))
    for metrics in done.values():
        if metrics is not None:
            check_keys(metrics, args.keys)
    return {row.name: {seed: done[row, seed] for seed in args.seeds} for row in rows}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        if args.results:
            print(compare_finished(args))
            return 0
        results = run_all([Row(config.stem, config) for config in args.configs], args)
    print(table(results, args.keys))
    return int(any(None in runs.values() for runs in results.values()))


if __name__ == '__main__':
    sys.exit(main())
