"""Prepare THUMOS14: annotations of four forms -> one annotation file.

``python tools/data/thumos14/prepare.py SOURCE [...] [--out data/thumos14]``; README.md beside this
file says where SOURCE comes from.
"""

import argparse
import sys
from pathlib import Path

from asl_mmaction.datasets.class_names import THUMOS14
from asl_mmaction.datasets.conversion import (
    Source,
    SourceVideo,
    add_arguments,
    read_database,
    read_durations,
    read_json,
    read_table,
    write_source,
)

AMBIGUOUS = 'Ambiguous'
#: ActionFormer and OpenTAD name the same two subsets differently: the videos' names decide.
SUBSETS = {'_validation_': 'training', '_test_': 'test'}
ANY_SUBSET = dict.fromkeys(('validation', 'test', 'training', 'testing'), 'training')
#: ActionFormer's annotation file.
KNOWN = {'training': (200, 3007), 'test': (212, 3358)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources',
        type=Path,
        nargs='+',
        help='a JSON file of ActionFormer or OpenTAD; or folders of the official .txt files, or '
        'CSV files (video, type, start, end), with --durations',
    )
    parser.add_argument('--durations', type=Path, help='JSON or CSV with the length of each video')
    add_arguments(parser, 'data/thumos14')
    args = parser.parse_args(argv)
    try:
        print(write_source(read(args.sources, args.durations), args, args.sources, KNOWN))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def read(paths: list[Path], durations: Path | None) -> Source:
    """Read all files; see the README for their forms."""
    source = Source('THUMOS14', THUMOS14)
    if any(path.suffix == '.json' for path in paths):
        for path in paths:
            read_database(read_json(path), source, ANY_SUBSET)
        for name, video in source.videos.items():
            video.subset = subset_of(name)
    else:
        if durations is None:
            raise ValueError(
                'expected --durations: .txt and .csv files do not say how long the videos are'
            )
        lengths = read_durations(durations)
        for path in paths:
            for name, label, start, end in read_rows(path):
                if name not in source.videos:
                    if name not in lengths:
                        raise ValueError(f'{durations}: no duration of video {name!r}')
                    seconds, fps = lengths[name]
                    source.videos[name] = SourceVideo(subset_of(name), seconds, fps=fps)
                source.videos[name].actions.append((start, end, label))
    drop_ambiguous(source)
    return source


def subset_of(name: str) -> str:
    """Training are the videos of the official validation set."""
    for part, subset in SUBSETS.items():
        if part in name:
            return subset
    raise ValueError(f'expected a video_validation_... or video_test_... but got {name!r}')


def read_rows(path: Path) -> list[tuple[str, str, float, float]]:
    """(video, class, start, end) of a CSV file or of a folder of ``<class>_<subset>.txt``."""
    if path.is_file():
        rows = read_table(path, ('video', 'type', 'start', 'end'))
        return [(row['video'], row['type'], float(row['start']), float(row['end'])) for row in rows]
    files = sorted(path.glob('*_val.txt')) + sorted(path.glob('*_test.txt'))
    if not files:
        raise FileNotFoundError(f'{path}: expected a CSV file, or <class>_val.txt or _test.txt')
    rows = []
    for file in files:
        label = file.stem.rpartition('_')[0]
        for number, line in enumerate(file.read_text().splitlines(), 1):
            parts = line.split()
            if parts and len(parts) != 3:
                raise ValueError(f'{file}:{number}: expected video, start, end but got {line!r}')
            if parts:
                rows.append((parts[0], label, float(parts[1]), float(parts[2])))
    return rows


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
