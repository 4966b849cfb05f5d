"""From other projects' annotation files to the schema of :class:`TALDataset`.

A reader (one per file format) gives a :class:`Source`; :func:`convert` applies one set of rules to
what is not clean and counts every case:

========================================  ====================================================
an action that                            is
========================================  ====================================================
ends before it starts                     dropped
has no length                             dropped; kept as published
lies outside the video                    dropped; kept as published
starts before the video or ends after it  cut to the video; kept as published
is given twice (times and class)          dropped but for the first; kept as published
========================================  ====================================================

"As published" is for the ground truths that published evaluations count. Whatever is not a finite
number, a known class or a duration > 0 is an error.
"""

import argparse
import csv
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asl_mmaction.structures.files import write_json

#: Seconds; a smaller excess over the duration is rounding, not dirt.
TOLERANCE = 1e-6


@dataclass
class SourceVideo:
    """One video as a file has it.

    Attributes:
        subset: Subset under its name in the schema.
        duration: Seconds.
        actions: (start, end, class name); seconds.
        fps: Frames per second, where known.
    """

    subset: str
    duration: float
    actions: list[tuple[float, float, str]] = field(default_factory=list)
    fps: float | None = None


@dataclass
class Source:
    """An annotation file as it is.

    Attributes:
        version: What the schema's ``version`` is to say.
        classes: Class names in the order of their labels.
        videos: Name -> video.
        counts: (subset, what) -> number: what the reader itself has left out or changed.
    """

    version: str
    classes: Sequence[str]
    videos: dict[str, SourceVideo] = field(default_factory=dict)
    counts: Counter = field(default_factory=Counter)


def convert(source: Source, *, as_published: bool = False) -> dict:
    """Apply the rules of this module.

    Returns:
        Content of an annotation file of the schema; ``conversion`` holds the counts by subset.

    Raises:
        ValueError: A video or action that no rule is about.
    """
    labels = {name: index for index, name in enumerate(source.classes)}
    if len(labels) != len(source.classes) or not labels:
        raise ValueError(f'expected distinct class names but got {list(source.classes)}')
    counts, database = Counter(source.counts), {}
    for name, video in source.videos.items():
        if not (math.isfinite(video.duration) and video.duration > 0):
            raise ValueError(f'video {name!r}: expected a duration > 0 but got {video.duration}')
        kept = _clean(name, video, counts, as_published)
        for start, end, label in kept:
            if label not in labels:
                raise ValueError(
                    f'video {name!r}: expected one of {len(labels)} classes '
                    f'but got {label!r} ({start}..{end} s)'
                )
        counts[video.subset, 'videos'] += 1
        counts[video.subset, 'segments'] += len(kept)
        counts[video.subset, 'videos without segments'] += not kept
        database[name] = {
            'subset': video.subset,
            'duration': video.duration,
            **({} if video.fps is None else {'fps': video.fps}),
            'annotations': [
                {'segment': [start, end], 'label': label, 'label_id': labels[label]}
                for start, end, label in kept
            ],
        }
    by_subset: dict[str, dict[str, int]] = {}
    for (subset, what), count in sorted(counts.items()):
        if count:
            by_subset.setdefault(subset, {})[what] = count
    return {
        'version': source.version,
        'classes': list(source.classes),
        'conversion': {'as_published': as_published, 'counts': by_subset},
        'database': database,
    }


def _clean(
    name: str, video: SourceVideo, counts: Counter, as_published: bool
) -> list[tuple[float, float, str]]:
    seen, kept = set(), []
    dropped, cut = ('kept', 'kept') if as_published else ('dropped', 'cut')
    for start, end, label in video.actions:
        if not (math.isfinite(start) and math.isfinite(end)):
            raise ValueError(f'video {name!r}: expected finite times but got {start}..{end} s')
        counts[video.subset, 'segments in the source'] += 1
        finding, fate = None, dropped
        if end < start:
            finding, fate = 'end before start', 'dropped'
        elif end == start:
            finding = 'without length'
        elif start >= video.duration or end <= 0:
            finding = 'outside the video'
        elif start < -TOLERANCE or end > video.duration + TOLERANCE:
            finding, fate = 'partly outside', cut
        if finding is not None:
            counts[video.subset, f'{finding}: {fate}'] += 1
        if fate == 'dropped' and finding is not None:
            continue
        if not as_published:
            start, end = max(start, 0.0), min(end, video.duration)
        if (start, end, label) in seen:
            counts[video.subset, f'given twice: {dropped}'] += 1
            if not as_published:
                continue
        seen.add((start, end, label))
        kept.append((start, end, label))
    return kept


def add_arguments(parser: argparse.ArgumentParser, out: str) -> None:
    """Add what every converter's command line has; ``out`` is the default folder."""
    parser.add_argument('--exclude', type=Path, help='file with names of videos to leave out')
    parser.add_argument(
        '--as-published',
        action='store_true',
        help='keep segments outside the video, without length or given twice, as published '
        'evaluations do',
    )
    parser.add_argument('--out', type=Path, default=Path(out))


def write_source(
    source: Source,
    args: argparse.Namespace,
    read_from: Iterable[Path],
    known: Mapping[str, tuple[int, int]],
    file: str = 'annotations.json',
) -> str:
    """Exclude, convert and write, all or nothing, by the arguments of :func:`add_arguments`.

    Args:
        source: What was read.
        args: Parsed arguments.
        read_from: The source's files, which are never overwritten.
        known: See :func:`count_table`.
        file: Name of the file in the folder ``args.out``.

    Returns:
        The table of counts, and where the file is.
    """
    exclude(source, read_names(args.exclude) if args.exclude else ())
    content = convert(source, as_published=args.as_published)
    path = args.out / file
    if path.exists() and any(path.samefile(other) for other in read_from if other.exists()):
        raise ValueError(f'{path}: this is the source; choose another folder for the result')
    write_json(path, content)
    return f'{count_table(content, known)}\nwritten to {path}'


def count_table(content: dict, official: Mapping[str, tuple[int, int]] | None = None) -> str:
    """The counts of a conversion, a column for each subset.

    Args:
        content: Result of :func:`convert`.
        official: Subset -> videos and segments that the dataset is known to have.
    """
    counts = content['conversion']['counts']
    subsets = sorted(counts, key=['training', 'validation', 'test'].index)
    first = ['videos', 'segments in the source']
    last = ['segments', 'videos without segments']
    found = {what for values in counts.values() for what in values}
    names = [*first, *sorted(found - {*first, *last}), *last]
    rows = [(what, [str(counts[subset].get(what, 0)) for subset in subsets]) for what in names]
    if official:
        known = [official.get(subset) for subset in subsets]
        rows.append(
            (
                'known: videos / segments',
                [f'{pair[0]} / {pair[1]}' if pair else '-' for pair in known],
            )
        )
    width = max(len(what) for what, _ in rows) + 2
    lines = [' ' * width + ''.join(subset.rjust(16) for subset in subsets)]
    lines += [what.ljust(width) + ''.join(cell.rjust(16) for cell in cells) for what, cells in rows]
    return '\n'.join([*lines, f'{len(content["classes"])} classes'])


# What several readers share


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is not JSON.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path}: not JSON: {error}') from error


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Rows of a CSV file with a header that names at least ``columns``.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A column is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    with path.open(newline='', encoding='utf-8-sig') as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f'{path}: expected column {missing[0]!r} but got {reader.fieldnames}')
        return list(reader)


def read_names(path: Path) -> list[str]:
    """Names of videos or classes: a JSON list (or the keys of an object), or one in each line."""
    if path.suffix == '.json':
        content = read_json(path)
        if isinstance(content, dict) and isinstance(content.get('database'), dict):
            content = content['database']
        return [str(name) for name in content]
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    return [line.strip() for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]


def read_durations(path: Path) -> dict[str, tuple[float, float | None]]:
    """Video -> (duration in seconds, fps or None).

    Of a CSV file with columns ``video``, ``duration`` and perhaps ``fps``, or of a JSON file:
    numbers of seconds by video, or any annotation file with ``duration`` (and ``fps``).
    """
    if path.suffix != '.json':
        return {
            row['video']: (float(row['duration']), float(row['fps']) if row.get('fps') else None)
            for row in read_table(path, ('video', 'duration'))
        }
    content = read_json(path)
    content = content.get('database', content)
    durations = {}
    for name, video in content.items():
        if not isinstance(video, dict):
            video = {'duration': video}
        if not isinstance(video.get('duration'), (int, float)):
            raise ValueError(f'{path}: video {name!r}: expected a duration but got {video}')
        durations[name] = (float(video['duration']), video.get('fps'))
    return durations


def rename_subset(where: str, subset: Any, names: Mapping[str, str]) -> str:
    """Name of a subset in the schema; upper and lower case are the same."""
    if str(subset).lower() not in names:
        raise ValueError(f'{where}: expected a subset of {sorted(names)} but got {subset!r}')
    return names[str(subset).lower()]


def read_database(content: Mapping, source: Source, subsets: Mapping[str, str]) -> Source:
    """Fill a source from ActivityNet's form, as ActionFormer, OpenTAD and TSP write it too.

    Times are in seconds; an action with ``segment(frames)`` only is divided by the video's fps.

    Args:
        content: The parsed file: ``database``, or its content alone.
        source: To be filled.
        subsets: The file's subset names (lower case) -> those of the schema.
    """
    for name, video in content.get('database', content).items():
        where = f'video {name!r}'
        try:
            subset = rename_subset(where, video['subset'], subsets)
            fps = None if video.get('fps') is None else float(video['fps'])
            target = SourceVideo(subset, float(video['duration']), fps=fps)
            for item in video.get('annotations', ()):
                if 'segment' in item:
                    start, end = item['segment']
                    target.actions.append((float(start), float(end), str(item['label'])))
                else:
                    start, end = (frame / fps for frame in item['segment(frames)'])
                    target.actions.append((start, end, str(item['label'])))
                    source.counts[subset, 'in frames: converted'] += 1
        except (KeyError, TypeError) as error:
            raise ValueError(
                f'{where}: expected subset, duration and annotations of segment and label '
                f'but got {type(error).__name__}: {error}'
            ) from error
        source.videos[name] = target
    return source


def read_pointtad(
    content: Mapping, source: Source, subsets: Mapping[str, str], first: int
) -> Source:
    """Fill a source from PointTAD's form: ``actions`` of [class number, start, end] in seconds.

    Args:
        content: The parsed file, videos by name.
        source: To be filled; its classes are the meaning of the numbers.
        subsets: The file's subset names (lower case) -> those of the schema.
        first: Number of the first class, 0 or 1.
    """
    last = first + len(source.classes) - 1
    for name, video in content.items():
        subset = rename_subset(f'video {name!r}', video['subset'], subsets)
        target = SourceVideo(subset, float(video['duration']))
        for number, start, end in video['actions']:
            if not first <= number <= last:
                raise ValueError(
                    f'video {name!r}: expected class numbers of {first}..{last} but got {number}'
                )
            label = source.classes[int(number) - first]
            target.actions.append((float(start), float(end), label))
            if first:
                source.counts[subset, f'class numbers from {first}: converted'] += 1
        source.videos[name] = target
    return source


def exclude(source: Source, names: Iterable[str]) -> None:
    """Take videos out of a source, counted.

    Raises:
        ValueError: A name is not in the source.
    """
    for name in names:
        if name not in source.videos:
            raise ValueError(f'expected names of videos to exclude but got {name!r}: no such video')
        source.counts[source.videos.pop(name).subset, 'videos excluded: dropped'] += 1
