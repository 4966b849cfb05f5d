"""Prepare EPIC-Kitchens-100: annotation tables -> annotation files of verbs, nouns and actions.

``python tools/data/epic100/prepare.py SOURCE [--out data/epic100]``; README.md beside this file
says where SOURCE comes from.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'source',
        type=Path,
        help='folder with the official tables, with those of the challenge, or with '
        'epic_kitchens_100_verb.json and _noun.json of ActionFormer',
    )
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published', action='store_true', help='keep what published evaluations count'
    )
    parser.add_argument('--out', type=Path, default=Path('data/epic100'))
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # answers --help and mistakes before the imports, which take seconds

from asl_mmaction.cli.mistakes import report_mistakes
from asl_mmaction.datasets.preparation.conversion import read_database, write_sources
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import in_context, positive, read_object, read_table

TASKS = ('verb', 'noun')
ACTION_FILE = 'annotations_action.json'
NUM_CLASSES = {'verb': 97, 'noun': 300}
#: The challenge tables count frames of the features' videos.
CHALLENGE_FPS = 30.0
SUBSETS = {'training': 'training', 'train': 'training', 'validation': 'validation'}
KNOWN = {'training': (495, 67217), 'validation': (138, 9668)}
OFFICIAL = {'EPIC_100_train.csv': 'training', 'EPIC_100_validation.csv': 'validation'}
CHALLENGE = {'c2_ek100_training.csv': 'training', 'c2_ek100_validation.csv': 'validation'}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    with report_mistakes():
        verbs, nouns = (read(args.source, task) for task in TASKS)
        sources = {'annotations_verb.json': verbs, 'annotations_noun.json': nouns}
        try:
            sources[ACTION_FILE] = join(verbs, nouns)
        except ValueError as error:
            print(f'no {ACTION_FILE}: {error}')
        print(write_sources(sources, args, args.source.glob('*'), KNOWN))
        if ACTION_FILE not in sources:
            # One of an earlier run would not be of these verbs and nouns.
            (args.out / ACTION_FILE).unlink(missing_ok=True)
    return 0


def read(folder: Path, task: str) -> Source:
    """Read the annotations of one task, in the first form that the folder holds whole."""
    if not folder.is_dir():
        raise FileMistake(f'expected a folder but got {folder}, which does not exist')
    present = {path.name for path in folder.iterdir()}
    json_files = [folder / f'epic_kitchens_{name}{task}.json' for name in ('100_', '')]
    source = Source(f'EPIC-Kitchens-100 {task}', read_classes(folder, task))
    for path in json_files:
        if path.name in present:
            subsets = {**SUBSETS, 'val': 'validation'}
            return read_database(path, read_object(path), source, subsets)
    if {*OFFICIAL, 'EPIC_100_video_info.csv'} <= present:
        return read_official(folder, task, source)
    if {*CHALLENGE, 'c2_ek100_video_lengths.csv'} <= present:
        return read_challenge(folder, task, source)
    raise FileMistake(
        f'{folder}: expected {", ".join(OFFICIAL)} and EPIC_100_video_info.csv, '
        f'or {", ".join(CHALLENGE)} and c2_ek100_video_lengths.csv, or {json_files[0].name}'
    )


def read_classes(folder: Path, task: str) -> list[str]:
    """Names (``key``) of all classes by number, whether they occur or not."""
    path = folder / f'EPIC_100_{task}_classes.csv'
    names = {row['id']: row['key'] for row in read_table(path, ('id', 'key'))}
    ids = [str(number) for number in range(NUM_CLASSES[task])]
    if names.keys() != set(ids) or len(set(names.values())) < len(ids):
        raise ValueMistake(
            f'{path}: expected ids 0..{ids[-1]} with a key of its own each but got {len(names)} '
            f'ids and {len(set(names.values()))} keys'
        )
    return [names[number] for number in ids]


def read_official(folder: Path, task: str, source: Source) -> Source:
    """Rows by time stamps; the videos' lengths are in a table of their own."""
    lengths = folder / 'EPIC_100_video_info.csv'
    videos = {}
    for row in read_table(lengths, ('video_id', 'duration', 'fps')):
        with in_context(f'{lengths}: video {row["video_id"]!r}', 'duration and fps'):
            videos[row['video_id']] = (
                positive('a duration', row['duration']),
                positive('fps', row['fps']),
            )
    for file, subset in OFFICIAL.items():
        columns = ('video_id', 'start_timestamp', 'stop_timestamp', f'{task}_class')
        for row in read_table(folder / file, columns):
            name = row['video_id']
            with in_context(
                f'{folder / file}: video {name!r}', 'time stamps hours:minutes:seconds'
            ):
                video = find_video(source, name, subset, videos, folder / file)
                segment = [seconds(row[f'{edge}_timestamp']) for edge in ('start', 'stop')]
                video.add(segment, class_name(source, row[f'{task}_class']))
    return source


def read_challenge(folder: Path, task: str, source: Source) -> Source:
    """Rows by frames, 30 in a second whatever the video's own rate."""
    lengths = folder / 'c2_ek100_video_lengths.csv'
    videos = {}
    for row in read_table(lengths, ('video', 'frames')):
        with in_context(f'{lengths}: video {row["video"]!r}', 'frames'):
            videos[row['video']] = positive('frames', row['frames']) / CHALLENGE_FPS, CHALLENGE_FPS
    for file, subset in CHALLENGE.items():
        for row in read_table(folder / file, ('video', 'start', 'stop', task)):
            with in_context(f'{folder / file}: video {row["video"]!r}', 'numbers of frames'):
                video = find_video(source, row['video'], subset, videos, folder / file)
                segment = [int(row[edge]) / CHALLENGE_FPS for edge in ('start', 'stop')]
                video.add(segment, class_name(source, row[task]))
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
            raise ValueMistake(
                f'video {name!r}: expected the same segments of verbs and of nouns but got others'
            )
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
    source: Source, name: str, subset: str, videos: dict[str, tuple[float, float]], file: Path
) -> SourceVideo:
    if name not in source.videos:
        if name not in videos:
            raise ValueMistake('expected its length in the table of lengths but got none')
        duration, fps = videos[name]
        source.add(name, SourceVideo(file, subset, duration, fps=fps))
    video = source.videos[name]
    if video.subset != subset:
        raise ValueMistake(f'expected a video in one subset but got it in {video.file} too')
    return video


def class_name(source: Source, number: str) -> str:
    if not number.isdigit() or int(number) >= len(source.classes):
        raise ValueMistake(f'expected a class of 0..{len(source.classes) - 1} but got {number!r}')
    return source.classes[int(number)]


def seconds(stamp: str) -> float:
    """'00:01:02.50' -> 62.5."""
    hours, minutes, rest = stamp.split(':')
    return round(3600 * int(hours) + 60 * int(minutes) + float(rest), 3)


if __name__ == '__main__':
    sys.exit(main())
