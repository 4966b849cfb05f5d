"""Run the tables of experiments on ASL and BackTAL and print them in Markdown.

The tables are in ``configs/*/ablation/tables.yml``; a row is a config, and settings of its own
over it. Runs are those of compare.py: a row without settings has the folder of its config, with
what compare.py made of it; a row with settings has a folder of its own, ``<table>/<label>``. Rows
that are the same in several tables are trained once, in the folder of the first. Rows that differ
in settings of the test alone (``test_options``) test one model, which is trained in the folder of
the row without them. Numbers of the paper stand in a column of their own, where a table has them.

Example:
    python tools/analysis/ablate.py components gaussians --seeds 0 1 2 --jobs 2
    python tools/analysis/ablate.py gaussians --list
    python tools/analysis/ablate.py billboard --rows asl_billboard 'baseline, SimOTA'
"""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

import yaml
from run_arguments import add_run_arguments

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
TABLES = sorted(CONFIGS.glob('*/ablation/tables.yml'))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    names: list[str] = []
    for path in TABLES:
        try:
            names += yaml.safe_load(path.read_text()).keys()
        except (yaml.YAMLError, AttributeError) as error:
            parser.error(f'{path}: expected tables by name but got {" ".join(str(error).split())}')
    parser.add_argument('tables', nargs='+', choices=names, metavar='TABLE', help=', '.join(names))
    parser.add_argument(
        '--list', action='store_true', help='print what makes each row (first seed), run nothing'
    )
    parser.add_argument(
        '--base', metavar='LABEL', help='row that the others are compared with; without: the first'
    )
    parser.add_argument(
        '--rows',
        nargs='+',
        default=[],
        metavar='LABEL',
        help='these alone, and the one that they are compared with; without: all',
    )
    add_run_arguments(parser)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from compare import (
    Mistake,
    Row,
    folder_of,
    report_mistakes,
    run_all,
    test_command,
    train_command,
)
from result_tables import table

from asl_mmaction.files.reading import in_context

#: What settings of the test alone begin with.
OF_THE_TEST = ('model.post_processor.', 'test_dataloader.', 'test_evaluator.')
KEYS = {'label', 'config', 'options', 'test_options', 'paper'}


def load_tables() -> dict[str, dict]:
    """Tables by name, with what to run for each row: a :class:`Row` under ``run``.

    A table has a title, a config for the rows without one, rows (label, config, options,
    test_options, the paper's number), and ``paper``, the heading of that number, if any.

    Raises:
        Mistake: A table has another form, or a row has a key that nothing reads, tests a model that
            no row before it trains, or has test_options that change a training.
    """
    tables: dict[str, dict] = {}
    folders: dict[tuple, str] = {}
    for path in TABLES:
        for name, content in yaml.safe_load(path.read_text()).items():
            with in_context(f'{path}: table {name}', 'a title, and rows of label and config'):
                tables[name] = dict(content, title=str(content['title']))
                for row in tables[name]['rows']:
                    row['run'] = _run_of(row, name, content, folders)
    return tables


def _run_of(row: dict, name: str, content: dict, folders: dict[tuple, str]) -> Row:
    """What to run for a row of a table; ``folders`` are those of the runs before it."""
    if not row.keys() <= KEYS:
        raise Mistake(f'expected rows with {", ".join(sorted(KEYS))} but got {", ".join(row)}')
    label = row['label']
    config = CONFIGS / (row['config'] if 'config' in row else content['config'])
    options = tuple(sorted(row.get('options', ())))
    tested = tuple(sorted(row.get('test_options', ())))
    for setting in tested:
        if not setting.startswith(OF_THE_TEST):
            raise Mistake(
                f'expected test_options of {", ".join(OF_THE_TEST)} but got {setting} of {label}'
            )
    own = f'{name}/{folder_name(label)}' if options or tested else config.stem
    model = folders.get((config, options, ())) if tested else ''
    if model is None:
        raise Mistake(f'expected a row before {label} that trains its model but got none')
    return Row(folders.setdefault((config, options, tested), own), config, options, tested, model)


def folder_name(label: str) -> str:
    """A label as a folder: ``none / fixed`` is ``none_fixed``."""
    return re.sub(r'[^\w.]+', '_', label)


def render(
    content: dict, results: dict[str, dict[int, dict | None]], keys: list[str], base: str | None
) -> str:
    """One table under its title; the difference is to its first row, or that of the label."""
    rows = content['rows']
    paper = None
    if 'paper' in content:
        paper = (f'paper: {content["paper"]}', [row.get('paper') for row in rows])
    return f'{content["title"]}\n\n' + table(
        {row['label']: results[row['run'].name] for row in rows}, keys, paper, base
    )


def commands(content: dict, args: argparse.Namespace) -> str:
    """A command for each row of a table, below its label, from the folder where one is."""
    lines = [f'# {content["title"]}']
    for row in content['rows']:
        run, seed = row['run'], args.seeds[0]
        last = folder_of(run.training, seed, args) / 'last_checkpoint'
        if run.test_options:
            script, config, *rest = test_command(run, seed, args, 'CHECKPOINT')
        else:
            script, config, *rest = train_command(run, seed, args)
        words = ['python', os.path.relpath(script), os.path.relpath(config), *rest]
        command = shlex.join(map(str, words))
        shell = f'"$(cat {shlex.quote(str(last))})"'  # the name of the checkpoint is in this file
        lines += ['', f'# {row["label"]}', command.replace('CHECKPOINT', shell)]
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        tables = load_tables()
        wanted = [tables[name] for name in dict.fromkeys(args.tables)]
        for content in wanted:
            labels = [row['label'] for row in content['rows']]
            for option, label in [('--base', args.base), *(('--rows', row) for row in args.rows)]:
                if label is not None and label not in labels:
                    raise Mistake(
                        f'expected {option} of {"; ".join(labels)} (rows of {content["title"]!r}) '
                        f'but got {label}'
                    )
            if args.rows:
                kept = {args.base or labels[0], *args.rows}
                content['rows'] = [row for row in content['rows'] if row['label'] in kept]
        if args.list:
            print('\n\n'.join(commands(content, args) for content in wanted))
            return 0
        rows = dict.fromkeys(row['run'] for content in wanted for row in content['rows'])
        results = run_all(list(rows), args)
    print('\n\n'.join(render(content, results, args.keys, args.base) for content in wanted))
    return int(any(None in runs.values() for runs in results.values()))


if __name__ == '__main__':
    sys.exit(main())
