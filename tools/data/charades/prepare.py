"""Prepare Charades: annotations of three forms -> one annotation file.

``python tools/data/charades/prepare.py SOURCE [...] [--out data/charades]``; README.md beside this
file says where SOURCE comes from.
"""

import argparse
import sys
from pathlib import Path

from asl_mmaction.datasets.class_names import CHARADES
from asl_mmaction.datasets.conversion import (
    Source,
    SourceVideo,
    add_arguments,
    read_database,
    read_json,
    read_pointtad,
    read_table,
    write_source,
)

SUBSETS = {
    'training': 'training',
    'train': 'training',
    'testing': 'test',
    'test': 'test',
    'validation': 'test',  # OpenTAD's name
}
#: PointTAD's file.
KNOWN = {'training': (7983, 49803), 'test': (1863, 16691)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources',
        type=Path,
        nargs='+',
        help='the JSON file of PointTAD or OpenTAD, or the official Charades_v1_train.csv and '
        'Charades_v1_test.csv',
    )
    add_arguments(parser, 'data/charades')
    args = parser.parse_args(argv)
    try:
        print(write_source(read(args.sources), args, args.sources, KNOWN))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def read(paths: list[Path]) -> Source:
    """Read sources of any form."""
    source = Source('Charades v1', CHARADES)
    for path in paths:
        if path.suffix == '.csv':
            read_official(path, source)
            continue
        content = read_json(path)
        if 'database' in content:
            read_database(content, source, SUBSETS)
        else:
            read_pointtad(content, source, SUBSETS, first=0)
    return source


def read_official(path: Path, source: Source) -> None:
    """Columns ``id``, ``length`` (s) and ``actions``: ``c092 11.90 21.20;c147 0.00 12.60``."""
    subset = next((SUBSETS[word] for word in ('train', 'test') if word in path.stem.lower()), None)
    if subset is None:
        raise ValueError(f'{path}: expected a name with train or test in it')
    for row in read_table(path, ('id', 'length', 'actions')):
        video = SourceVideo(subset, float(row['length']))
        for action in filter(None, row['actions'].split(';')):
            parts = action.split()
            number = int(parts[0][1:]) if parts[0][1:].isdigit() else -1
            if len(parts) != 3 or not 0 <= number < len(CHARADES):
                raise ValueError(
                    f'{path}: video {row["id"]!r}: expected c000..c156, start, end '
                    f'but got {action!r}'
                )
            video.actions.append((float(parts[1]), float(parts[2]), CHARADES[number]))
        source.videos[row['id']] = video


if __name__ == '__main__':
    sys.exit(main())
