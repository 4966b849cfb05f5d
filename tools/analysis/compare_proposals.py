"""Train and test mmaction2's localizers and ours on one data set; compare them as proposals.

Prints a table in Markdown of class-agnostic average recall (AR@AN, AUC), by the same code for all:
BMN, BSN and TCANet give proposals, and the detections of the baseline and of ASL count as such. mAP
stands beside it where detections have classes: their own, or, where the config of the baseline
names scores of a video-level classifier and they are there, those.

Every run lies in ``WORK_DIR/<config>/seed_<seed>``, as compare.py's do, with the config it was made
by and its log. What is there is not made again, so that an interrupted comparison goes on where it
stopped, and the runs of compare.py are used, if they were made without options. What was made with
the config as it was before it was changed is refused.

Example:
    python tools/analysis/compare_proposals.py hapt --seeds 0
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

METHODS = {
    'bmn': 'BMN of mmaction2',
    'bsn': 'BSN of mmaction2',
    'tcanet': 'TCANet of mmaction2, on the proposals of BMN',
    'actionformer': 'ActionFormer-style baseline',
    'asl': 'ASL',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('data', help='data set: the end of the names of its configs, e.g. hapt')
    parser.add_argument('--methods', nargs='+', choices=list(METHODS), default=list(METHODS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare'))
    parser.add_argument('--data-root', help="folder of the data set, instead of the configs' own")
    parser.add_argument('--epochs', type=int, help="of every training, instead of the configs' own")
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import numpy as np
from mmaction.registry import DATASETS, METRICS
from mmengine.registry import DefaultScope
from proposal_runs import RunError, Runs, last_checkpoint, steps_of

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.past_runs import check_seeds, read_metrics
from asl_mmaction.cli.progress import RunsProgress
from asl_mmaction.files.annotations import segments_of
from asl_mmaction.files.mistakes import Mistake
from asl_mmaction.files.results import read_results
from asl_mmaction.files.writing import hint_at_same_name


def make_scorer(runs: Runs) -> Callable[[Path], dict[str, float]]:
    """Function: file of proposals or detections -> AR@AN and AUC by the settings of BMN.

    For proposals, which have no classes, also mAP by the settings of the baseline, if it takes
    classes from a classifier whose scores are there.
    """
    config = runs.config('bmn')
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = DATASETS.build({**config.test_dataloader.dataset, 'pipeline': []})
    videos = [dataset.get_data_info(index) for index in range(len(dataset))]
    fused = runs.config('actionformer').test_evaluator

    def score(path: Path) -> dict[str, float]:
        results = read_results(path, labels=False)['results']
        missing = [video['video_name'] for video in videos if video['video_name'] not in results]
        if missing:
            raise RunError(
                f'{path}: expected all videos of the test but got none of {missing[0]}'
                f'{hint_at_same_name(missing[0], results)}'
            )
        metrics = [METRICS.build(dict(config.test_evaluator))]
        if path.name == 'proposals.json' and fused.get('score_fusion') is not None:
            metrics.append(METRICS.build(dict(fused)))
        values = {}
        for metric in metrics:
            metric.dataset_meta = dataset.metainfo
            for video in videos:
                found = as_instances(results[video['video_name']])
                metric.process(None, [{**video, 'pred_instances': found}])
            values |= metric.evaluate(len(videos))
        return {key: value for key, value in values.items() if not key.startswith('mAP@')}

    return score


def as_instances(items: list[dict]) -> dict[str, np.ndarray]:
    """Results of a video, without their classes, as the metrics take them."""
    return {
        'segments': segments_of(items),
        'scores': np.array([item['score'] for item in items], dtype=float),
        'labels': np.zeros(len(items), dtype=int),
    }


def epochs_of(runs: Runs, method: str) -> str:
    """As the runs have them; of BSN those of both models."""
    names = steps_of(method) if method == 'bsn' else (method,)
    return ' + '.join(last_checkpoint(runs.folder(n)).stem.removeprefix('epoch_') for n in names)


def table(rows: Mapping[str, list[dict]]) -> str:
    """Markdown: mean, and sample standard deviation of several seeds, in percent."""
    keys = list(dict.fromkeys(key for runs in rows.values() for run in runs for key in run))
    keys.sort(key=lambda key: key.startswith('mAP'))
    lines = [f'| method | {" | ".join(keys)} |', '|---' * (len(keys) + 1) + '|']
    for name, runs in rows.items():
        cells = []
        for key in keys:
            values = [run[key] for run in runs if key in run]
            if not values:
                cells.append('-')
            elif isinstance(values[0], str):
                cells.append(' / '.join(dict.fromkeys(values)))
            else:
                spread = f' ± {100 * statistics.stdev(values):.1f}' if len(values) > 1 else ''
                cells.append(f'{100 * statistics.mean(values):.1f}{spread}')
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        check_seeds(args.seeds)
        rows, failed = run_all(args)
    if rows:
        print(table(rows))
    return int(failed)


def run_all(args: argparse.Namespace) -> tuple[dict[str, list[dict]], bool]:
    """Rows of the table by name of the method, and whether a run failed; a line for each of these.

    Raises:
        Mistake: what is there was made with other options, or there is no config or data.
        ValueError: what is there is damaged.
    """
    rows: dict[str, list[dict]] = {}
    failed = False
    made = {
        seed: Runs(args.data, seed, args.work_dir, args.data_root, args.epochs)
        for seed in args.seeds
    }
    jobs = [(runs, method) for runs in made.values() for method in args.methods]
    for runs, method in jobs:
        runs.check(method)
    todo = [method for runs, method in jobs if runs.made(method) is None]
    with RunsProgress(len(todo)) as progress:
        for seed, runs in made.items():
            try:
                score = make_scorer(runs)
            except RunError as error:
                raise Mistake(str(error)) from error
            for method in args.methods:
                try:
                    row = row_of(runs, method, score, progress)
                except RunError as error:
                    progress.say(f'{method}, seed {seed} failed: {error}')
                    failed = True
                    continue
                rows.setdefault(METHODS[method], []).append(row)
    return rows, failed


def row_of(
    runs: Runs, method: str, score: Callable[[Path], dict[str, float]], progress: RunsProgress
) -> dict:
    """What the table says of a method and seed, which are run if they were not.

    Raises:
        RunError: A run failed.
    """
    if runs.made(method) is None:
        with progress.run(f'{method}, seed {runs.seed}') as runs.watched:
            runs.make(method)
    path = runs.made(method)
    if path is None:
        raise RunError(f'expected results of {method} in {runs.folder(steps_of(method)[-1])}')
    row = {'epochs': epochs_of(runs, method), **score(path)}
    if (path.parent / 'metrics.json').is_file():
        metrics = read_metrics(path.parent)
        row |= {key: value for key, value in metrics.items() if '@' not in key}
    return row


if __name__ == '__main__':
    sys.exit(main())
