"""Prepare Charades: annotations of three forms -> one annotation file.

``python tools/data/charades/prepare.py SOURCE [...] [--out data/charades]``; README.md beside this
file says where SOURCE comes from.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources',
        type=Path,
        nargs='+',
        help='the JSON file of PointTAD or OpenTAD, or the official Charades_v1_train.csv and '
        'Charades_v1_test.csv',
    )
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published', action='store_true', help='keep what published evaluations count'
    )
    parser.add_argument('--out', type=Path, default=Path('data/charades'))
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.class_names import CHARADES
from asl_mmaction.datasets.preparation.conversion import (
    read_database,
    read_pointtad,
    write_sources,
)
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import in_context, read_object, read_table

SUBSETS = {
    'training': 'training',
    'train': 'training',
    'testing': 'test',
    'test': 'test',
    'validation': 'test',  # OpenTAD's name
}
NUMBERS = {f'c{number:03}': name for number, name in enumerate(CHARADES)}
#: PointTAD's file.
KNOWN = {'training': (7983, 49803), 'test': (1863, 16691)}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        source = read(args.sources)
        print(write_sources({'annotations.json': source}, args, args.sources, KNOWN))
    return 0


def read(paths: list[Path]) -> Source:
    """Read sources of any form."""
    source = Source('Charades v1', CHARADES)
    for path in paths:
        if path.suffix == '.csv':
            read_official(path, source)
            continue
        content = read_object(path)
        if 'database' in content:
            read_database(path, content, source, SUBSETS)
        else:
            read_pointtad(path, content, source, SUBSETS, first=0)
    return source


def read_official(path: Path, source: Source) -> None:
    """Columns ``id``, ``length`` (s) and ``actions``: ``c092 11.90 21.20;c147 0.00 12.60``."""
    subset = next((SUBSETS[word] for word in ('train', 'test') if word in path.stem.lower()), None)
    if subset is None:
        raise ValueMistake(f'expected a file name with train or test in it but got {path}')
    for row in read_table(path, ('id', 'length', 'actions')):
        with in_context(f'{path}: video {row["id"]!r}', 'length and actions'):
            video = SourceVideo(path, subset, row['length'])
            for action in filter(None, row['actions'].split(';')):
                parts = action.split()
                if len(parts) != 3 or parts[0] not in NUMBERS:
                    raise ValueMistake(f'expected c000..c156, start, end but got {action!r}')
                video.add(parts[1:], NUMBERS[parts[0]])
            source.add(row['id'], video)


if __name__ == '__main__':
    sys.exit(main())
