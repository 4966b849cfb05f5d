"""Prepare THUMOS14: annotations of four forms -> one annotation file.

``python tools/data/thumos14/prepare.py SOURCE [...] [--out data/thumos14]``; README.md beside this
file says where SOURCE comes from.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources',
        type=Path,
        nargs='+',
        help='a JSON file of ActionFormer or OpenTAD; or folders of the official .txt files, or '
        'CSV files (video, type, start, end), with --durations',
    )
    parser.add_argument('--durations', type=Path, help='JSON or CSV with the length of each video')
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published', action='store_true', help='keep what published evaluations count'
    )
    parser.add_argument('--out', type=Path, default=Path('data/thumos14'))
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.class_names import THUMOS14
from asl_mmaction.datasets.preparation.conversion import read_database, write_sources
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import (
    in_context,
    read_durations,
    read_lines,
    read_object,
    read_table,
)

AMBIGUOUS = 'Ambiguous'
#: ActionFormer and OpenTAD name the same two subsets differently: the videos' names decide.
SUBSETS = {'_validation_': 'training', '_test_': 'test'}
ANY_SUBSET = dict.fromkeys(('validation', 'test', 'training', 'testing'), 'training')
#: ActionFormer's annotation file.
KNOWN = {'training': (200, 3007), 'test': (212, 3358)}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        sources = {'annotations.json': read(args.sources, args.durations)}
        print(write_sources(sources, args, args.sources, KNOWN, drop_ambiguous))
    return 0


def read(paths: list[Path], durations: Path | None) -> Source:
    """Read all files; see the README for their forms."""
    source = Source('THUMOS14', THUMOS14)
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise FileMistake(f'expected a file or folder but got {missing[0]}, which does not exist')
    if any(path.suffix == '.json' for path in paths):
        for path in paths:
            read_database(path, read_object(path), source, ANY_SUBSET)
        for name, video in source.videos.items():
            with in_context(f'{video.file}: video {name!r}', 'a name of THUMOS14'):
                video.subset = subset_of(name)
    else:
        if durations is None:
            raise ValueMistake(
                'expected --durations but got none; .txt and .csv files do not say how long the '
                'videos are'
            )
        lengths = read_durations(durations)
        for path in paths:
            for where, name, segment, label in read_rows(path):
                with in_context(where, 'video, start, end'):
                    if name not in source.videos:
                        if name not in lengths:
                            raise ValueMistake(f'expected a video of {durations} but got {name!r}')
                        seconds, fps = lengths[name]
                        source.add(name, SourceVideo(path, subset_of(name), seconds, fps=fps))
                    source.videos[name].add(segment, label)
    return source


def subset_of(name: str) -> str:
    """Training are the videos of the official validation set."""
    for part, subset in SUBSETS.items():
        if part in name:
            return subset
    raise ValueMistake(f'expected a video_validation_... or video_test_... but got {name!r}')


def read_rows(path: Path) -> Iterator[tuple[str, str, tuple[str, str], str]]:
    """(place, video, (start, end), class) of a CSV file or a folder of ``<class>_<subset>.txt``."""
    if path.is_file():
        for row in read_table(path, ('video', 'type', 'start', 'end')):
            where = f'{path}: video {row["video"]!r}'
            yield where, row['video'], (row['start'], row['end']), row['type']
        return
    files = sorted(path.glob('*_val.txt')) + sorted(path.glob('*_test.txt'))
    if not files:
        raise FileMistake(f'{path}: expected a CSV file, or <class>_val.txt or _test.txt')
    for file in files:
        for where, name, segment in read_lines(file):
            yield where, name, segment, file.stem.rpartition('_')[0]


def drop_ambiguous(source: Source) -> None:
    """Leave out what the annotators marked Ambiguous, and videos that have nothing else."""
    for name, video in list(source.videos.items()):
        kept = [action for action in video.actions if action[2] != AMBIGUOUS]
        dropped = len(video.actions) - len(kept)
        if dropped:
            source.counts[video.subset, 'Ambiguous: dropped'] += dropped
            video.actions = kept
            if not kept:
                source.counts[video.subset, 'videos with Ambiguous only: dropped'] += 1
                del source.videos[name]


if __name__ == '__main__':
    sys.exit(main())
