"""Prepare McGill Billboard: chroma, chords, sections and leads -> features and one annotation file.

``python tools/data/billboard/prepare.py SOURCE [--all] [--out data/billboard]``; README.md beside
this file says where SOURCE comes from and what is written.
"""

import argparse
import itertools
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'source',
        type=Path,
        help='the unpacked distribution, or a folder with annotations.json and features/*.npy',
    )
    parser.add_argument(
        '--all',
        action='store_true',
        help='all 739 songs of the distribution, not the 200 of the benchmark',
    )
    parser.add_argument('--out', type=Path, default=Path('data/billboard'))
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

import numpy as np

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.dataset_writer import count_table, write_dataset
from asl_mmaction.datasets.preparation.song_annotations import (
    CHORDS,
    LEADS,
    SECTIONS,
    Action,
    find_leads,
    find_sections,
    read_chords,
    read_lines,
)
from asl_mmaction.files.annotations import read_checked_annotations
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import in_context

FPS = 44100 / 2048  # chroma frames in a second
CLIP_LEN = 10  # frames in a window
FEAT_STRIDE = 5  # frames between windows
NUM_CHROMA = 24  # 12 of the bass, 12 of the treble
#: The file of a song, in a folder named by its number -> the archive that it comes in.
FILES = {
    'bothchroma.csv': 'billboard-2.0-chordino',
    'salami_chords.txt': 'billboard-2.0-salami_chords',
    'majmin.lab': 'billboard-2.0.1-mirex',
}
#: Songs of numbers up to this one are for training.
LAST_TRAINING = 1000
#: Of the benchmark: songs and instances of each subset.
COUNTS = {'training': (150, 14286), 'test': (50, 4897)}

CLASSES = tuple(sorted((*CHORDS, *SECTIONS, *LEADS.values())))


@dataclass
class Song:
    """One song.

    Attributes:
        subset: ``'training'`` or ``'test'``.
        duration: Seconds.
        actions: Chords, then sections, then leads.
        feature: (T, 48), float16 in the benchmark's files.
    """

    subset: str
    duration: float
    actions: list[Action]
    feature: np.ndarray


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        if not args.source.is_dir():
            raise FileMistake(f'expected a folder but got {args.source}')
        if (args.source / 'annotations.json').is_file():
            songs, extra = read_prepared(args.source), {}
        else:
            songs, extra = read_distribution(args.source, COUNTS if not args.all else {})
        write_songs(songs, extra, args.out)
    counts = [(song.subset, len(song.actions)) for song in songs.values()]
    print(count_table('songs', counts, 'benchmark', COUNTS))
    print(f'written to {args.out}')
    return 0


# Reading


def read_prepared(folder: Path) -> dict[str, Song]:
    """Read ``annotations.json`` and ``features/<song>.npy``, made of the distribution before.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: Classes or shapes are not those of this dataset.
    """
    path = folder / 'annotations.json'
    content = read_checked_annotations(path)
    if tuple(content.get('classes', ())) != CLASSES:
        raise ValueMistake(f'{path}: expected the {len(CLASSES)} classes of Billboard as classes')
    songs = {}
    for name, video in content['database'].items():
        actions = [(*item['segment'], item['label']) for item in video['annotations']]
        file = folder / 'features' / f'{name}.npy'
        with in_context(str(file), f'an array of ({2 * NUM_CHROMA}) columns'):
            feature = np.load(file, allow_pickle=False)
            expected = (_num_windows(round(video['duration'] * FPS)), 2 * NUM_CHROMA)
            if feature.shape != expected:
                raise ValueMistake(f'expected features of {expected} but got {feature.shape}')
        songs[name] = Song(video['subset'], video['duration'], actions, feature)
    return songs


def read_distribution(source: Path, counts: dict) -> tuple[dict[str, Song], dict]:
    """Read the distribution's own files.

    Args:
        source: A folder that holds them at any depth.
        counts: Subset -> (songs, ...): how many of each, those of lowest number; a subset that is
            not named: all.

    Returns:
        Songs by name, and what the annotation file says of the features.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is not of its form.
    """
    found = {name: _by_number(source.rglob(name)) for name in FILES}
    if not found['salami_chords.txt']:
        raise FileMistake(
            f'{source}: expected the unpacked archives {", ".join(FILES.values())} (or '
            'annotations.json and features/) but found no salami_chords.txt'
        )
    numbers = choose_songs(found['salami_chords.txt'], counts)
    chosen = {}
    for number in numbers:
        for name, archive in FILES.items():
            if number not in found[name]:
                raise FileMistake(f'{source}: {archive}/{number:04d}/{name} is missing')
        chosen[number] = {name: paths[number] for name, paths in found.items()}
    frames = {n: read_chroma(paths['bothchroma.csv']) for n, paths in chosen.items()}
    pooled = {number: pool_windows(chroma) for number, chroma in frames.items()}
    mean, std = training_statistics(pooled)
    songs = {}
    for number, paths in chosen.items():
        lines = read_lines(paths['salami_chords.txt'])
        actions = [*read_chords(paths['majmin.lab']), *find_sections(lines), *find_leads(lines)]
        duration = round(len(frames[number]) / FPS, 3)
        feature = normalize(pooled[number], mean, std)
        songs[f'song_{number:04d}'] = Song(subset(number), duration, actions, feature)
    return songs, {'normalization': {'mean': mean.tolist(), 'std': std.tolist()}}


def subset(number: int) -> str:
    """The subset of a song, by its number in the chart sample."""
    return 'training' if number <= LAST_TRAINING else 'test'


def _by_number(paths: Iterable[Path]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in sorted(paths):
        if path.parent.name.isdigit():
            other = found.setdefault(int(path.parent.name), path)
            if other != path:
                raise FileMistake(f'expected one file of each song but got {other} and {path}')
    return found


def choose_songs(paths: dict[int, Path], counts: dict) -> list[int]:
    """Numbers of the songs, each song once: a song that was listed in two charts has two numbers.

    Two files of the same title and artist are one song, and the lower number stands for it.

    Args:
        paths: Number -> ``salami_chords.txt``.
        counts: As in :func:`read_distribution`.
    """
    songs: dict[tuple[str, str], int] = {}
    for number, path in sorted(paths.items()):
        with in_context(str(path), 'a text file'):
            text = path.read_text(encoding='utf-8')
        header = dict(re.findall(r'^# (title|artist): *(.*?) *$', text, re.MULTILINE))
        if len(header) != 2:
            raise ValueMistake(f'{path}: expected lines "# title: ..." and "# artist: ..."')
        songs.setdefault((header['title'], header['artist']), number)
    groups = itertools.groupby(songs.values(), subset)
    return [n for name, group in groups for n in list(group)[: counts.get(name, (None,))[0]]]


def read_chroma(path: Path) -> np.ndarray:
    """Chroma frames of a song: (frames, 24) float32.

    A row holds the file's name or nothing, the time in seconds, and 24 numbers.
    """
    with in_context(str(path), 'rows of a time and 24 numbers'):
        table = np.loadtxt(path, delimiter=',', usecols=range(1, NUM_CHROMA + 2), ndmin=2)
    times = np.arange(len(table)) / FPS
    if len(table) < CLIP_LEN or np.abs(table[:, 0] - times).max() > 1e-3:
        raise ValueMistake(f'{path}: expected {CLIP_LEN} rows or more, one every {1 / FPS:.4f} s')
    if not np.isfinite(table).all():
        raise ValueMistake(f'{path}: expected finite numbers but got NaN or Inf')
    return table[:, 1:].astype(np.float32)


# Features


def pool_windows(chroma: np.ndarray) -> np.ndarray:
    """Window t, frames 5 t .. 5 t + 9, as the means of its halves: (frames, 24) -> (T, 48)."""
    steps = _num_windows(len(chroma))
    halves = chroma[: FEAT_STRIDE * (steps + 1)].reshape(steps + 1, FEAT_STRIDE, -1).mean(axis=1)
    return np.concatenate([halves[:-1], halves[1:]], axis=1)


def _num_windows(frames: int) -> int:
    return (frames - CLIP_LEN) // FEAT_STRIDE + 1


def training_statistics(pooled: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column over all training windows; (48,) float32 each.

    Summed in float32, as for the benchmark's features: float64 moves some of them by a bit.
    """
    windows = [values for number, values in pooled.items() if subset(number) == 'training']
    if not windows:
        raise ValueMistake('expected training songs (for the statistics) but got none')
    joint = np.concatenate(windows)
    return joint.mean(axis=0), joint.std(axis=0) + np.float32(1e-6)


def normalize(pooled: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """z-score, rounded to float16."""
    return ((pooled - mean) / std).astype(np.float16)


# Writing


def write_songs(songs: dict[str, Song], extra: dict, out: Path) -> None:
    """Write features and annotations of all songs into the folder ``out``."""
    with write_dataset(out, made_by='tools/data/billboard/prepare.py') as writer:
        database = {}
        for name, song in songs.items():
            writer.feature(name, song.feature)
            database[name] = {
                'subset': song.subset,
                'duration': song.duration,
                'fps': FPS,
                'annotations': [
                    {'segment': [start, end], 'label': label} for start, end, label in song.actions
                ],
            }
        writer.annotations(
            {
                'version': 'McGill Billboard 2.0',
                'classes': CLASSES,
                'grid': {'fps': FPS, 'feat_stride': FEAT_STRIDE, 'clip_len': CLIP_LEN},
                **extra,
                'database': database,
            }
        )


if __name__ == '__main__':
    sys.exit(main())
