"""Draw what clicks are worth: a metric of finished runs by the clicks that they were trained with.

A run is a folder with ``seed_0``, ``seed_1``, ..., as compare.py and ablate.py leave it, or a work
dir with metrics.json. Its clicks are counted in the click file of its training set. Runs with
clicks on background, on actions, and on both are a line each; runs without clicks begin each line.

Example:
    python tools/analysis/ablate.py clicks --seeds 0 1 2
    python tools/analysis/plot_clicks.py work_dirs/compare/clicks/* --out clicks.png
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', type=Path, help='folders of seeds, or work dirs')
    parser.add_argument('--key', default='mAP', help='the metric')
    parser.add_argument('--out', type=Path, default=Path('clicks.png'), help='png, pdf or svg')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

import asl_mmaction  # isort: skip  # noqa: F401  first: it checks and repairs the stack

from asl_mmaction.apis import load_config
from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.past_runs import read_metrics, seeds_of
from asl_mmaction.files.clicks import read_click_file
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import read_object, videos_of
from asl_mmaction.visualization.click_costs import ClickCost, draw_click_costs
from asl_mmaction.visualization.figures import save_figure

KINDS = BACKGROUND, ACTIONS, BOTH = 'background clicks', 'action clicks', 'both kinds of clicks'


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        series = lines_of([read_run(run, args.key) for run in args.runs])
        save_figure(draw_click_costs(series, args.key), args.out)
    for name, costs in series.items():
        for cost in costs:
            each = ' / '.join(f'{100 * value:.1f}' for value in cost.values)
            print(
                f'{name:<22}{cost.clicks:>7.2f} a video   {100 * cost.values.mean():.1f} ({each})'
            )
    print(f'wrote {args.out}')
    return 0


def read_run(run: Path, key: str) -> tuple[str | None, ClickCost]:
    """Kind of the clicks of a run (None: no clicks), how many, and the metric of its seeds."""
    kinds, amounts, values = set(), [], []
    for folder in seeds_of(run):
        metrics = read_metrics(folder)
        if key not in metrics:
            raise ValueMistake(f'{folder}: expected --key of {", ".join(metrics)} but got {key}')
        values.append(metrics[key])
        kind, amount = clicks_of(folder)
        kinds.add(kind)
        amounts.append(amount)
    if len(kinds) > 1:
        raise ValueMistake(f'{run}: expected one kind of clicks in all seeds but got {kinds}')
    return kinds.pop(), ClickCost(float(np.mean(amounts)), np.array(values))


def clicks_of(folder: Path) -> tuple[str | None, float]:
    """Kind of the clicks of a work dir, and how many a training video has."""
    configs = sorted(folder.glob('*.py'))
    if len(configs) != 1:
        raise FileMistake(f'expected one config in {folder} but got {len(configs)}')
    data = load_config(configs[0]).train_dataloader.dataset
    if not data.get('click_file'):
        return None, 0.0
    root = Path(data.data_root)
    database = videos_of(root / data.ann_file, read_object(root / data.ann_file))
    subsets = [data.subset] if isinstance(data.subset, str) else data.subset
    videos = {name for name, video in database.items() if video['subset'] in subsets}
    clicks = read_click_file(root / data.click_file).clicks
    labels = [click.label for name in videos for click in clicks.get(name, ())]
    background = labels.count(None)
    kind = BOTH if 0 < background < len(labels) else BACKGROUND if background else ACTIONS
    return kind, len(labels) / len(videos)


def lines_of(runs: list[tuple[str | None, ClickCost]]) -> dict[str, list[ClickCost]]:
    """Costs by kind, those without clicks in front of each."""
    without = [cost for kind, cost in runs if kind is None]
    kinds = [kind for kind in KINDS if any(kind == other for other, _ in runs)]
    if not kinds:
        raise ValueMistake('expected runs with clicks but got none')
    return {
        kind: sorted(
            [*without, *(cost for other, cost in runs if other == kind)],
            key=lambda cost: cost.clicks,
        )
        for kind in kinds
    }


if __name__ == '__main__':
    sys.exit(main())
