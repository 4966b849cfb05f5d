"""Prepare MultiTHUMOS: annotations of three forms -> one annotation file.

``python tools/data/multithumos/prepare.py SOURCE [--out data/multithumos]``; README.md beside this
file says where SOURCE comes from.
"""

import argparse
import sys
from pathlib import Path

from asl_mmaction.datasets.class_names import MULTITHUMOS
from asl_mmaction.datasets.conversion import (
    Source,
    SourceVideo,
    add_arguments,
    read_database,
    read_durations,
    read_json,
    read_pointtad,
    write_source,
)

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
    add_arguments(parser, 'data/multithumos')
    args = parser.parse_args(argv)
    try:
        source = read(args.source, args.durations)
        print(write_source(source, args, [args.source], KNOWN))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def read(path: Path, durations: Path | None) -> Source:
    """Read a source of any form."""
    source = Source('MultiTHUMOS', MULTITHUMOS)
    lengths = read_durations(durations) if durations else None
    if path.is_dir():
        read_folder(path, lengths, source)
    else:
        content = read_json(path)
        if 'database' in content:
            read_database(content, source, SUBSETS)
        else:
            read_pointtad(content, source, SUBSETS, first=1)
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
        raise FileNotFoundError(f'{folder}: expected files <class>.txt, such as Walk.txt')
    if lengths is None:
        raise ValueError(f'{folder}: expected --durations: the files do not tell them')
    for file in files:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            parts = line.split()
            if not parts:
                continue
            if len(parts) != 3 or parts[0] not in lengths:
                raise ValueError(
                    f'{file}:{number}: expected a video of --durations, start and end '
                    f'but got {line!r}'
                )
            name, start, end = parts[0], float(parts[1]), float(parts[2])
            if name not in source.videos:
                subset = 'training' if '_validation_' in name else 'test'
                source.videos[name] = SourceVideo(subset, lengths[name][0], fps=lengths[name][1])
            source.videos[name].actions.append((start, end, file.stem))


if __name__ == '__main__':
    sys.exit(main())
