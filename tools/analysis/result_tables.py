"""What compare.py prints of finished runs: two tables in Markdown, and what was counted."""

import argparse
from itertools import chain

from asl_mmaction.apis.comparison import Comparison, Row, compare_results
from asl_mmaction.cli.past_runs import name_of, results_of
from asl_mmaction.evaluation.metrics.reports import SIMULATED


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
