"""Prepare EPIC-Kitchens-100: annotation tables -> annotation files of verbs, nouns and actions.

``python tools/data/epic100/prepare.py SOURCE [--out data/epic100]``; README.md beside this file
says where SOURCE comes from.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from asl_mmaction.datasets.conversion import (
    Source,
    SourceVideo,
    add_arguments,
    read_database,
    read_json,
    read_table,
    write_source,
)

TASKS = ('verb', 'noun')
NUM_CLASSES = {'verb': 97, 'noun': 300}
#: The challenge tables count frames of the features' videos.
CHALLENGE_FPS = 30.0
SUBSETS = {'training': 'training', 'train': 'training', 'validation': 'validation'}
KNOWN = {'training': (495, 67217), 'validation': (138, 9668)}
OFFICIAL = {'EPIC_100_train.csv': 'training', 'EPIC_100_validation.csv': 'validation'}
CHALLENGE = {'c2_ek100_training.csv': 'training', 'c2_ek100_validation.csv': 'validation'}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'source',
        type=Path,
        help='folder with the official tables, with those of the challenge, or with '
        'epic_kitchens_100_verb.json and _noun.json of ActionFormer',
    )
    add_arguments(parser, 'data/epic100')
    args = parser.parse_args(argv)
    try:
        sources = {task: read(args.source, task) for task in TASKS}
        try:
            sources['action'] = join(sources['verb'], sources['noun'])
        except ValueError as error:
            print(f'no annotations_action.json: {error}')
        for task, source in sources.items():
            file = f'annotations_{task}.json'
            print(write_source(source, args, args.source.glob('*'), KNOWN, file))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


def read(folder: Path, task: str) -> Source:
    """Read the annotations of one task, in the first form that the folder holds whole."""
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder')
    present = {path.name for path in folder.iterdir()}
    json_files = [folder / f'epic_kitchens_{name}{task}.json' for name in ('100_', '')]
    source = Source(f'EPIC-Kitchens-100 {task}', read_classes(folder, task))
    for path in json_files:
        if path.name in present:
            return read_database(read_json(path), source, {**SUBSETS, 'val': 'validation'})
    if {*OFFICIAL, 'EPIC_100_video_info.csv'} <= present:
        return read_official(folder, task, source)
    if {*CHALLENGE, 'c2_ek100_video_lengths.csv'} <= present:
        return read_challenge(folder, task, source)
    raise FileNotFoundError(
        f'{folder}: expected {", ".join(OFFICIAL)} and EPIC_100_video_info.csv, '
        f'or {", ".join(CHALLENGE)} and c2_ek100_video_lengths.csv, or {json_files[0].name}'
    )


def read_classes(folder: Path, task: str) -> list[str]:
    """Names (``key``) of all classes by number, whether they occur or not."""
    path = folder / f'EPIC_100_{task}_classes.csv'
    rows = sorted(read_table(path, ('id', 'key')), key=lambda row: int(row['id']))
    if [int(row['id']) for row in rows] != list(range(NUM_CLASSES[task])):
        raise ValueError(f'{path}: expected ids 0..{NUM_CLASSES[task] - 1}, each once')
    return [row['key'] for row in rows]


def read_official(folder: Path, task: str, source: Source) -> Source:
    """Rows by time stamps; the videos' lengths are in a table of their own."""
    info = read_table(folder / 'EPIC_100_video_info.csv', ('video_id', 'duration', 'fps'))
    videos = {row['video_id']: (float(row['duration']), float(row['fps'])) for row in info}
    for file, subset in OFFICIAL.items():
        columns = ('video_id', 'start_timestamp', 'stop_timestamp', f'{task}_class')
        for row in read_table(folder / file, columns):
            start, end = (seconds(row[f'{edge}_timestamp']) for edge in ('start', 'stop'))
            video = find_video(source, row['video_id'], subset, videos, file)
            video.actions.append((start, end, class_name(source, row[f'{task}_class'], file)))
    return source


def read_challenge(folder: Path, task: str, source: Source) -> Source:
    """Rows by frames, 30 in a second whatever the video's own rate."""
    lengths = read_table(folder / 'c2_ek100_video_lengths.csv', ('video', 'frames'))
    videos = {row['video']: (int(row['frames']) / CHALLENGE_FPS, CHALLENGE_FPS) for row in lengths}
    for file, subset in CHALLENGE.items():
        for row in read_table(folder / file, ('video', 'start', 'stop', task)):
            start, end = (int(row[edge]) / CHALLENGE_FPS for edge in ('start', 'stop'))
            video = find_video(source, row['video'], subset, videos, file)
            video.actions.append((start, end, class_name(source, row[task], file)))
            source.counts[subset, 'in frames: converted'] += 1
    return source


def join(verbs: Source, nouns: Source) -> Source:
    """Actions are pairs of verb and noun, 'take cup'; classes are those that occur, verbs first.

    Raises:
        ValueError: The two list other segments, or in another order.
    """
    source = Source('EPIC-Kitchens-100 action', [], counts=verbs.counts.copy())
    for name in verbs.videos.keys() | nouns.videos.keys():
        if not same_segments(verbs.videos.get(name), nouns.videos.get(name)):
            raise ValueError(f'video {name!r}: expected the same segments of verbs and of nouns')
    for name, video in verbs.videos.items():
        actions = [
            (start, end, f'{verb} {noun}')
            for (start, end, verb), (_, _, noun) in zip(
                video.actions, nouns.videos[name].actions, strict=True
            )
        ]
        source.videos[name] = replace(video, actions=actions)
    present = {label for video in source.videos.values() for _, _, label in video.actions}
    pairs = (f'{verb} {noun}' for verb in verbs.classes for noun in nouns.classes)
    source.classes = [pair for pair in pairs if pair in present]
    return source


def same_segments(one: SourceVideo | None, other: SourceVideo | None) -> bool:
    times = [video and [action[:2] for action in video.actions] for video in (one, other)]
    return times[0] is not None and times[0] == times[1]


def find_video(
    source: Source, name: str, subset: str, videos: dict[str, tuple[float, float]], file: str
) -> SourceVideo:
    if name not in videos:
        raise ValueError(f'{file}: video {name!r}: its length is not in the table of lengths')
    duration, fps = videos[name]
    video = source.videos.setdefault(name, SourceVideo(subset, duration, fps=fps))
    if video.subset != subset:
        raise ValueError(f'{file}: video {name!r} is in training and in validation')
    return video


def class_name(source: Source, number: str, file: str) -> str:
    if not number.isdigit() or int(number) >= len(source.classes):
        raise ValueError(
            f'{file}: expected a class of 0..{len(source.classes) - 1} but got {number!r}'
        )
    return source.classes[int(number)]


def seconds(stamp: str) -> float:
    """'00:01:02.50' -> 62.5."""
    hours, minutes, rest = stamp.split(':')
    return round(3600 * int(hours) + 60 * int(minutes) + float(rest), 3)


if __name__ == '__main__':
    sys.exit(main())
