"""The tables in Markdown of compare.py and ablate.py: of their runs, and of finished ones."""

import argparse
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import chain

from asl_mmaction.apis.comparison import Comparison, Row, compare_results
from asl_mmaction.cli.past_runs import name_of, results_of
from asl_mmaction.evaluation.metrics.reports import SIMULATED


def table(
    results: Mapping[str, Mapping[int, Mapping | None]],
    keys: Sequence[str],
    paper: tuple[str, Sequence[float | None]] | None = None,
    base: str | None = None,
) -> str:
    """Mean, sample standard deviation and every seed; the difference to one of the rows.

    A difference is the mean over the seeds that both rows have, with the standard error of the
    differences by seed where there are two or more.

    Args:
        results: Metrics of each run by row and seed; a run that is None is a dash.
        keys: Metrics to print, as percentages.
        paper: Heading and cells of a last column for a paper's own numbers; None = a dash.
        base: Row that the others are compared with; None = the first.
    """
    heads = [part for key in keys for part in (key, f'to {base or "base"}')]
    lines = [['config', *heads, *([paper[0]] if paper else [])]]
    base_runs = results[base or next(iter(results))]
    for index, (name, runs) in enumerate(results.items()):
        cells = [name]
        for key in keys:
            cells += [_each_seed(runs, key), _paired_difference(runs, base_runs, key)]
        if paper:
            number = paper[1][index]
            cells.append('-' if number is None else f'{number:.1f}')
        lines.append(cells)
    return markdown(lines)


def _each_seed(runs: Mapping[int, Mapping | None], key: str) -> str:
    values = [None if run is None else run[key] * 100 for run in runs.values()]
    found = [value for value in values if value is not None]
    if not found:
        return '-'
    spread = f' ± {statistics.stdev(found):.2f}' if len(found) > 1 else ''
    each = ' / '.join('-' if value is None else f'{value:.1f}' for value in values)
    return f'{statistics.mean(found):.2f}{spread} ({each})'


def _paired_difference(
    runs: Mapping[int, Mapping | None], base: Mapping[int, Mapping | None], key: str
) -> str:
    pairs = [(run, base.get(seed)) for seed, run in runs.items()]
    found = [(run[key] - other[key]) * 100 for run, other in pairs if run and other]
    if runs is base or not found:
        return '-'
    error = f' ± {statistics.stdev(found) / math.sqrt(len(found)):.2f}' if len(found) > 1 else ''
    return f'{statistics.mean(found):+.2f}{error}'


def compare_finished(args: argparse.Namespace) -> str:
    """The tables of ``--results``.

    Raises:
        ValueError: See :func:`asl_mmaction.apis.comparison.compare_results`.
    """
    found = compare_results(
        {name_of(run, args.results): results_of(run) for run in args.results},
        args.annotations,
        subsets=args.subset,
        tiou_thresholds=args.tiou,
        num_resamples=args.resamples,
    )
    return '\n\n'.join([all_classes(found), per_class(found), counted(found, args.resamples)])


def all_classes(found: Comparison) -> str:
    """A row for each of the results: averages, their differences, and mAP at each threshold."""
    keys = list(next(iter(found.rows.values())).metrics)
    heads = [[key, 'to the first'] if key in found.averages else [key] for key in keys]
    rows = [[name, *_cells(row, keys, found)] for name, row in found.rows.items()]
    return markdown([['results', *chain.from_iterable(heads)], *rows])


def _cells(row: Row, keys: list[str], found: Comparison) -> list[str]:
    cells = []
    for key in keys:
        cells.append(f'{100 * row.metrics[key]:.1f}')
        if key in found.averages:
            cells.append(_difference(row, key))
    return cells


def _difference(row: Row, key: str) -> str:
    difference = row.differences.get(key)
    if difference is None:
        return '-'
    value, *ends = [None if x is None else f'{100 * x:+.1f}' for x in difference]
    return f'{value}' if None in ends else f'{value} [{ends[0]}, {ends[1]}]'


def per_class(found: Comparison) -> str:
    """The first average of each class, a column for each of the results."""
    rows = [[f'{next(iter(found.averages))} of', 'GT', *found.rows]]
    for label, number in found.ground_truths.items():
        values = [row.per_class[label] for row in found.rows.values()]
        cells = ['-' if value is None else f'{100 * value:.1f}' for value in values]
        rows.append([label, str(number), *cells])
    return markdown(rows)


def counted(found: Comparison, resamples: int) -> str:
    """What the numbers are of."""
    averages = '; '.join(
        f'{name}: mean at tIoU {", ".join(f"{tiou:g}" for tiou in tious)}'
        for name, tious in found.averages.items()
    )
    missing = found.without_results
    seeds = {name: row.seeds for name, row in found.rows.items() if row.seeds > 1}
    if found.recordings > 1 and resamples:
        interval = (
            f'[low, high]: 95 % of {resamples} resamples of the recordings, the same for all '
            '(paired bootstrap)'
        )
    else:
        interval = 'no intervals: they need two recordings and resamples'
    return '\n'.join(
        [
            *([SIMULATED] if found.simulated else []),
            f'in percent; {averages}',
            f'{found.recordings} recordings, {sum(found.ground_truths.values())} actions; '
            f'{interval}',
            *([f'{len(missing)} recordings without results, as {missing[0]!r}'] if missing else []),
            *(f'{name}: mean of {count} seeds' for name, count in seeds.items()),
        ]
    )


def markdown(rows: list[list[str]]) -> str:
    """A table; the first row is its head."""
    lines = [f'| {" | ".join(cells)} |' for cells in rows]
    return '\n'.join([lines[0], '|---' * len(rows[0]) + '|', *lines[1:]])
