"""Draw what trainings have logged: losses, learning rate, mAP; seeds as a band.

A run is a work dir, or a folder of runs of one config with several seeds, as compare.py leaves it
(``seed_0``, ``seed_1``, ...).

Example:
    python tools/analysis/plot_log.py work_dirs/compare/asl_hapt work_dirs/my_asl \
        --keys loss mAP --out curves.pdf
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', type=Path, help='work dirs, or folders of seeds')
    parser.add_argument(
        '--keys',
        nargs='+',
        help="what is drawn, a panel each; 'mAP' is also 'HAPT/mAP'; without: the loss, and "
        'the mAP where there was a validation',
    )
    parser.add_argument('--out', type=Path, default=Path('curves.png'), help='png, pdf or svg')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.cli.past_runs import name_of, seeds_of
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.run_log import Series, read_run_log
from asl_mmaction.visualization.curves import Curve, draw_curves
from asl_mmaction.visualization.figures import save_figure

#: How the metrics begin that are logged in [0, 1] and drawn in percent.
SHARES = ('mAP', 'AR@', 'AUC', 'Recall@')


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        runs = {name_of(run, args.runs): read_seeds(run) for run in args.runs}
        logs = [log for seeds in runs.values() for log in seeds.values()]
        logged = {key.split('/')[-1] for log in logs for key in log}
        keys = args.keys or [key for key in ('loss', 'mAP') if key in logged]
        panels = {key: curves_of(key, runs) for key in keys}
        percent = [key for key in keys if key.split('/')[-1].startswith(SHARES)]
        save_figure(draw_curves(panels, percent=percent), args.out)
    print(f'wrote {args.out}')
    return 0


def read_seeds(run: Path) -> dict[Path, dict[str, Series]]:
    """The log of each seed of a run."""
    return {seed: read_run_log(seed) for seed in seeds_of(run)}


def curves_of(key: str, runs: dict[str, dict[Path, dict[str, Series]]]) -> dict[str, Curve]:
    """One number of all runs that have logged it."""
    curves, known = {}, set()
    for name, seeds in runs.items():
        series = []
        for seed, log in seeds.items():
            known.update(log)
            own = [other for other in log if other == key or other.endswith(f'/{key}')]
            if len(own) > 1:
                raise ValueMistake(f'{seed}: expected one key {key!r} but got {own}')
            series += [log[other] for other in own]
        if series:
            curves[name] = curve_of(series)
    if not curves:
        raise ValueMistake(f'expected --keys that a run has logged, {sorted(known)}, but got {key}')
    return curves


def curve_of(seeds: list[Series]) -> Curve:
    """The moments that all seeds have in common; a seed that has ended early ends the curve."""
    common = seeds[0].epochs
    for other in seeds[1:]:
        common = np.intersect1d(common, other.epochs)
    values = [seed.values[np.isin(seed.epochs, common)] for seed in seeds]
    return Curve(common, np.stack(values))


if __name__ == '__main__':
    sys.exit(main())
