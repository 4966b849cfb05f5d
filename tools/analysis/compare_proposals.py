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
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack
import numpy as np
from mmaction.registry import DATASETS, METRICS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from asl_mmaction.apis.datasets import dataset_configs
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.past_runs import (
    OPTIONS,
    WITHOUT_EFFECT,
    check_config,
    check_options,
    check_seeds,
    read_metrics,
)
from asl_mmaction.cli.progress import RunsProgress, Watched
from asl_mmaction.cli.trial import shorten
from asl_mmaction.files.annotations import segments_of
from asl_mmaction.files.mistakes import Mistake
from asl_mmaction.files.results import read_results

TOOLS = Path(__file__).resolve().parents[1]
CONFIGS = TOOLS.parent / 'configs'
METHODS = {
    'bmn': 'BMN of mmaction2',
    'bsn': 'BSN of mmaction2',
    'tcanet': 'TCANet of mmaction2, on the proposals of BMN',
    'actionformer': 'ActionFormer-style baseline',
    'asl': 'ASL',
}


def steps_of(method: str) -> tuple[str, ...]:
    """Starts of the configs' names that a method is made by; the last gives its results."""
    return {'bsn': ('bsn_tem', 'bsn_pem'), 'tcanet': ('bmn', 'tcanet')}.get(method, (method,))


class RunError(Exception):
    """A run ended with an error; the message names its log."""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('data', help='data set: the end of the names of its configs, e.g. hapt')
    parser.add_argument('--methods', nargs='+', choices=list(METHODS), default=list(METHODS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/compare'))
    parser.add_argument('--data-root', help="folder of the data set, instead of the configs' own")
    parser.add_argument('--epochs', type=int, help="of every training, instead of the configs' own")
    return parser.parse_args(argv)


class Runs:
    """The runs of one data set and seed: each step makes what it needs, unless it is there."""

    def __init__(
        self,
        data: str,
        seed: int,
        work_dir: Path,
        data_root: str | None = None,
        epochs: int | None = None,
    ) -> None:
        self.data = data
        self.seed = seed
        self.work_dir = work_dir
        self.data_root = data_root
        self.epochs = epochs
        self.watched: Watched | None = None

    def folder(self, name: str) -> Path:
        return self.work_dir / f'{name}_{self.data}' / f'seed_{self.seed}'

    @property
    def options(self) -> dict:
        """What the runs are made with, in the form of compare.py's."""
        moved = [] if self.data_root is None else [f'data_root={self.data_root}']
        return {'amp': False, 'cfg_options': moved, 'epochs': self.epochs}

    def check(self, method: str) -> None:
        """Raises Mistake if what is there of a method was made by others than those of today.

        That is, options or config; what was tested may differ, and is scored here.
        """
        without = (*WITHOUT_EFFECT, 'test_dataloader', 'test_evaluator')
        for name in steps_of(method):
            if self.folder(name).exists():
                check_options(self.folder(name), self.options)
                path = self.folder(name) / f'{name}_{self.data}.py'
                check_config(path, self.config(name), without)

    def made(self, method: str) -> Path | None:
        """File of the proposals or detections of a method, if it is there."""
        name = steps_of(method)[-1]
        names = ('detections.json', 'proposals.json', 'all/proposals.json')
        files = [self.folder(name) / file for file in names]
        return next((path for path in files if path.is_file()), None)

    def make(self, method: str) -> None:
        """Train and test a method, and first what it builds on."""
        name = steps_of(method)[-1]
        if method == 'tcanet':
            self.make_proposals_of_bmn()
        elif method == 'bsn':
            self.make_proposals_of_pgm()
        self.test(name, self.train(name), self.folder(name))

    def inputs(self, name: str) -> dict[str, str]:
        """Values of a config's variables that name files of other runs."""
        if name == 'tcanet':
            return {'proposals_file': str(self.folder('bmn') / 'all' / 'proposals.json')}
        if name == 'bsn_pem':
            return {'proposals_dir': str(self.folder('bsn_tem') / 'pgm')}
        return {}

    def make_proposals_of_bmn(self) -> None:
        """BMN's, of the training videos too."""
        out = self.folder('bmn') / 'all'
        if not (out / 'proposals.json').is_file():
            config = self.train('bmn')
            content = Config.fromfile(config)
            loaders = ('train_dataloader', 'test_dataloader')
            parts = [part for name in loaders for part in dataset_configs(content, name).values()]
            subsets = [part.subset for part in parts]
            self.test('bmn', config, out, f'test_dataloader.dataset.subset=[{",".join(subsets)}]')

    def make_proposals_of_pgm(self) -> None:
        """Those of the boundaries that TEM finds, of the training videos too."""
        folder = self.folder('bsn_tem')
        if not (folder / 'pgm.done').is_file():
            config = self.train('bsn_tem')
            self.test('bsn_tem', config, folder / 'tem')
            tool = TOOLS / 'mmaction' / 'generate_proposals.py'
            pem = self.config_path('bsn_pem')
            self.call('bsn_tem', tool, pem, folder / 'tem', '--out', folder / 'pgm')
            (folder / 'pgm.done').touch()

    def train(self, name: str) -> Path:
        """Train to the last epoch; the config as it was run. ``name``: start of the config's."""
        folder = self.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OPTIONS).write_text(json.dumps(self.options))
        content = self.config(name)
        config = folder / f'{name}_{self.data}.py'
        content.dump(config)
        if last_checkpoint(folder).name != f'epoch_{content.train_cfg.max_epochs}.pth':
            arguments = ['--work-dir', folder, '--seed', self.seed, '--no-validate']
            resume = ['--resume'] if last_checkpoint(folder).is_file() else []
            self.call(name, TOOLS / 'train.py', config, *arguments, *resume)
        return config

    def test(self, name: str, config: Path, out: Path, *options: str) -> None:
        folder = self.folder(name)
        arguments = ['--work-dir', folder, '--out', out]
        arguments += ['--cfg-options', *options] if options else []
        self.call(name, TOOLS / 'test.py', config, last_checkpoint(folder), *arguments)

    def config(self, name: str) -> Config:
        """The config with the paths of these runs."""
        source = Config.fromfile(self.config_path(name))
        moved = {source[key]: value for key, value in self.inputs(name).items()}
        if self.data_root is not None:
            moved[source.data_root] = f'{Path(self.data_root)}/'
        config = Config(replace_paths(source.to_dict(), moved))
        if self.epochs is not None:
            shorten(config, self.epochs)
        fusion = (config.test_evaluator or {}).get('score_fusion')
        if fusion is not None and not Path(fusion.path).is_file():
            # No classes without the scores of a classifier: no mAP
            config.test_evaluator = self.config('bmn').test_evaluator
        return config

    def config_path(self, name: str) -> Path:
        paths = sorted(CONFIGS.glob(f'*/{name}_{self.data}.py'))
        if not paths:
            raise RunError(f'expected a config {name}_{self.data}.py in {CONFIGS} but got none')
        return paths[0]

    def call(self, name: str, *command) -> None:
        """Run a tool; its output goes to the end of the log."""
        path = self.folder(name) / 'compare.log'
        if self.watched is not None:
            self.watched.watch(path)
        with open(path, 'a') as log:
            log.write(f'$ {" ".join(map(str, command))}\n')
            log.flush()
            command = [sys.executable, *map(str, command)]
            if subprocess.run(command, stdout=log, stderr=log).returncode:
                raise RunError(f'see {path}')


def last_checkpoint(folder: Path) -> Path:
    """What mmengine's CheckpointHook wrote last; a path without a name if nothing."""
    pointer = folder / 'last_checkpoint'
    return Path(pointer.read_text().strip()) if pointer.is_file() else Path()


def replace_paths(value, moved: Mapping[str, str]):
    """A copy of a config with other beginnings of its strings."""
    if isinstance(value, dict):
        return {key: replace_paths(item, moved) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(replace_paths(item, moved) for item in value)
    if isinstance(value, str):
        for old, new in moved.items():
            if value.startswith(old):
                return new + value[len(old) :]
    return value


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
            raise RunError(f'{path}: expected all videos of the test but got none of {missing[0]}')
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
