"""Train, test and look at ASL on synthetic sequences in which it is known where a frame matters."""

import argparse
import contextlib
import copy
import os
import sys
import time
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--data-root', type=Path, default=Path('data/demo'))
    parser.add_argument('--seed', type=int, default=0, help='of the training')
    parser.add_argument('--epochs', type=int, help="instead of the config's number")
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

import asl_mmaction  # noqa: F401  first: it repairs and registers
from asl_mmaction.apis import read_class_gaussians
from asl_mmaction.apis.work_dir import last_checkpoint
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.recordings import say
from asl_mmaction.cli.runner import build_runner
from asl_mmaction.datasets.preparation.synthetic import generate
from asl_mmaction.files.mistakes import Mistake
from asl_mmaction.files.reading import read_object
from asl_mmaction.files.results import read_results
from asl_mmaction.visualization import (
    ClassGaussians,
    Recording,
    draw_gaussians,
    draw_timeline,
    save_figure,
)

CONFIG = Path(__file__).resolve().parents[1] / 'configs' / 'asl' / 'asl_demo.py'


@report_mistakes()
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    start = time.perf_counter()
    console = Console(file=sys.stdout)

    config = load_demo_config(args)
    # The same bytes each time, in less than a second.
    generate(args.data_root)
    say(console, f'data: {args.data_root.resolve()}')
    train_and_test(config, args.work_dir, console)

    gaussians = read_class_gaussians(config, last_checkpoint(args.work_dir))
    annotations = read_object(args.data_root / 'annotations.json')
    metrics = read_object(args.work_dir / 'metrics.json')
    pictures = draw_pictures(args.work_dir, annotations, gaussians)
    console.print(result_table(metrics, gaussians, annotations['planted']))
    for path in (args.work_dir / 'detections.json', args.work_dir / 'metrics.json', *pictures):
        say(console, f'wrote {path.resolve()}')
    print(
        f'demo: mAP@0.5 {100 * metrics["metrics"]["mAP@0.50"]:.1f}  '
        f'avg {100 * metrics["metrics"]["mAP"]:.1f}  ({time.perf_counter() - start:.0f} s)'
    )
    return 0


def load_demo_config(args: argparse.Namespace) -> Config:
    """The demo's config with the paths and the seed of the command line.

    Raises:
        Mistake: the training would end before the warm-up of the learning rate.
    """
    config = Config.fromfile(CONFIG)
    config.randomness = {'seed': args.seed}
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].dataset.data_root = os.fspath(args.data_root)
    if args.epochs is not None:
        warmup = config.param_scheduler[0].end
        if args.epochs <= warmup:
            raise Mistake(
                f'expected --epochs of {warmup + 1} or more but got {args.epochs}: the learning '
                f'rate warms up for {warmup}'
            )
        config.train_cfg.max_epochs = args.epochs
    return config


def train_and_test(config: Config, work_dir: Path, console: Console) -> None:
    """Run the training and the test; the console shows progress, the work dir has the log."""
    run = copy.deepcopy(config)
    run.work_dir = run.test_evaluator.out_dir = os.fspath(work_dir)
    # The Runner's logger keeps the stream that it finds: what it says goes to the log file alone.
    with open(os.devnull, 'w') as silence, contextlib.redirect_stdout(silence):
        runner = build_runner(run, config)
        say(console, f'log: {Path(runner.log_dir).resolve()}')
        runner.register_hook(ProgressHook(console), priority='LOWEST')
        runner.train()
        runner.test()


class ProgressHook(Hook):
    """A bar over the iterations of the training, or a line for each epoch where no bar can move."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn('training: epoch {task.fields[epoch]}, loss {task.fields[loss]:.3f}'),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn('left:'),
            TimeRemainingColumn(),
            console=console,
            redirect_stdout=False,
            disable=not console.is_terminal,
        )

    def before_train(self, runner: Runner) -> None:
        self.task = self.progress.add_task('', total=runner.max_iters, epoch=1, loss=float('nan'))
        self.progress.start()

    def after_train_iter(self, runner: Runner, *_, **__) -> None:
        epoch, loss = runner.epoch + 1, mean_loss(runner)
        self.progress.update(self.task, advance=1, epoch=epoch, loss=loss)

    def after_train_epoch(self, runner: Runner) -> None:
        if not self.console.is_terminal:
            done = f'{runner.epoch + 1} of {runner.max_epochs}'
            say(self.console, f'training: epoch {done}, loss {mean_loss(runner):.3f}')

    def after_train(self, runner: Runner) -> None:
        self.progress.stop()


def mean_loss(runner: Runner) -> float:
    """Mean training loss of the last 20 iterations."""
    return runner.message_hub.get_scalar('train/loss').mean(20)


def draw_pictures(work_dir: Path, annotations: dict, gaussians: ClassGaussians) -> list[Path]:
    """``timeline.png`` of the held-out sequence with most actions, and ``sensitivity.png``."""
    detections = read_results(work_dir / 'detections.json')['results']
    database = annotations['database']
    video = max(detections, key=lambda name: len(database[name]['annotations']))
    recording = Recording(
        video,
        database[video]['duration'],
        {'ASL': detections[video]},
        database[video]['annotations'],
    )
    timeline = draw_timeline(recording, gaussians=gaussians)
    sensitivity = draw_gaussians(gaussians, annotations['planted'])
    return [
        save_figure(timeline, work_dir / 'timeline.png'),
        save_figure(sensitivity, work_dir / 'sensitivity.png'),
    ]


def result_table(metrics: dict, gaussians: ClassGaussians, planted: dict) -> Table:
    """AP of each class and mAP in percent; the learned mu and sigma beside the planted moment."""
    tious = [name for name in metrics['metrics'] if '@' in name]
    table = Table(
        title='held-out sequences: AP (%) at tIoU; where the class shows',
        box=SIMPLE,
        padding=(0, 1, 0, 0),
    )
    table.add_column('class', no_wrap=True)
    numbers = [f'@{float(tiou.removeprefix("mAP@")):g}' for tiou in tious]
    for name in (*numbers, 'avg', 'planted', 'mu', 'sigma'):
        table.add_column(name, justify='right', no_wrap=True)
    for index, name in enumerate(gaussians.classes):
        values = metrics['per_class'][name]['ap']
        table.add_row(
            name,
            *(f'{100 * values[key]:.1f}' for key in (*tious, 'mAP')),
            f'{planted[name]:+.2f}',
            f'{gaussians.mu_cls[index, 0]:+.2f}',
            f'{gaussians.sigma_cls[index, 0]:.2f}',
        )
    table.add_section()
    table.add_row('mAP', *(f'{100 * metrics["metrics"][key]:.1f}' for key in (*tious, 'mAP')))
    return table


if __name__ == '__main__':
    sys.exit(main())
