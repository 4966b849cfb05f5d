"""Run ablation tables and print them in Markdown.

The tables are in ``configs/asl/ablation/tables.yml``; each row is a config. Runs are those of
compare.py, in the same folders: a row that several tables share is trained once. Numbers of the
paper stand in a column of their own, where a table has them.

Example:
    python tools/analysis/ablate.py components gaussians --seeds 0 1 2 --jobs 2
"""

import argparse
import sys
from pathlib import Path

import yaml
from compare import TOOLS, add_run_arguments, report_mistakes, run_all, table

TABLES = TOOLS.parent / 'configs' / 'asl' / 'ablation' / 'tables.yml'


def load_tables() -> dict[str, dict]:
    """Tables by name: title, rows (label, config, paper's number if any), heading of the latter."""
    tables = yaml.safe_load(TABLES.read_text())
    for content in tables.values():
        for row in content['rows']:
            row['config'] = (TABLES.parent / row['config']).resolve()
    return tables


def parse_args(argv: list[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('tables', nargs='+', choices=names, metavar='TABLE', help=', '.join(names))
    add_run_arguments(parser)
    return parser.parse_args(argv)


def render(content: dict, results: dict[Path, list[dict]], keys: list[str]) -> str:
    """One table under its title; the difference is to its first row."""
    rows = content['rows']
    paper = None
    if 'paper' in content:
        paper = (f'paper: {content["paper"]}', [row.get('paper') for row in rows])
    return f'{content["title"]}\n\n' + table(
        {row['label']: results[row['config']] for row in rows}, keys, paper
    )


def main(argv: list[str] | None = None) -> int:
    tables = load_tables()
    args = parse_args(argv, list(tables))
    wanted = [tables[name] for name in dict.fromkeys(args.tables)]
    configs = list(dict.fromkeys(row['config'] for content in wanted for row in content['rows']))
    with report_mistakes():
        results = run_all(configs, args)
    print('\n\n'.join(render(content, results, args.keys) for content in wanted))
    return int(any(len(runs) < len(args.seeds) for runs in results.values()))


if __name__ == '__main__':
    sys.exit(main())
