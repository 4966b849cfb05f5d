"""Prepare MultiTHUMOS: annotations of three forms -> one annotation file.

``python tools/data/multithumos/prepare.py SOURCE [--out data/multithumos]``; README.md beside this
file says where SOURCE comes from.
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'source',
        type=Path,
        help='the JSON file of PointTAD or OpenTAD, or the official folder of <class>.txt files '
        '(with --durations)',
    )
    parser.add_argument(
        '--durations',
        type=Path,
        help="JSON or CSV with the videos' length and fps, such as THUMOS14's annotations.json",
    )
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published', action='store_true', help='keep what published evaluations count'
    )
    parser.add_argument('--out', type=Path, default=Path('data/multithumos'))
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.class_names import MULTITHUMOS
from asl_mmaction.datasets.preparation.conversion import (
    read_database,
    read_pointtad,
    write_sources,
)
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import in_context, read_durations, read_lines, read_object

SUBSETS = {
    'training': 'training',
    'train': 'training',
    'testing': 'test',
    'test': 'test',
    'validation': 'test',  # OpenTAD's name
}
#: Of nearly all videos; for those whose rate no file tells.
COMMON_FPS = 30.0
#: PointTAD's file.
KNOWN = {'training': (200, 18482), 'test': (213, 20208)}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        source = read(args.source, args.durations)
        print(write_sources({'annotations.json': source}, args, [args.source], KNOWN))
    return 0


def read(path: Path, durations: Path | None) -> Source:
    """Read a source of any form."""
    source = Source('MultiTHUMOS', MULTITHUMOS)
    lengths = read_durations(durations) if durations else None
    if path.is_dir():
        read_folder(path, lengths, source)
    else:
        content = read_object(path)
        if 'database' in content:
            read_database(path, content, source, SUBSETS)
        else:
            read_pointtad(path, content, source, SUBSETS, first=1)
    for name, video in source.videos.items():
        if video.fps is None and lengths and name in lengths:
            video.fps = lengths[name][1]
        if video.fps is None:
            video.fps = COMMON_FPS
            source.counts[video.subset, 'videos of unknown frame rate: 30 taken'] += 1
    return source


def read_folder(
    folder: Path, lengths: dict[str, tuple[float, float | None]] | None, source: Source
) -> None:
    """The official form: one file for each class; rows of video, start, end."""
    files = [path for path in sorted(folder.glob('*.txt')) if path.stem in MULTITHUMOS]
    if not files:
        raise FileMistake(f'{folder}: expected files <class>.txt, such as Walk.txt')
    if lengths is None:
        raise ValueMistake(
            f'{folder}: expected --durations but got none; these files have no lengths'
        )
    for file in files:
        for where, name, segment in read_lines(file):
            with in_context(where, 'video, start, end'):
                if name not in source.videos:
                    if name not in lengths:
                        raise ValueMistake(f'expected a video of --durations but got {name!r}')
                    subset = 'training' if '_validation_' in name else 'test'
                    seconds, fps = lengths[name]
                    source.add(name, SourceVideo(folder, subset, seconds, fps=fps))
                source.videos[name].add(segment, file.stem)


if __name__ == '__main__':
    sys.exit(main())
