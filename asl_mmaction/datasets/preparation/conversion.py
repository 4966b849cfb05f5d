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
number, a known class or a duration > 0 is an error, and so is a video that is given twice. Errors
name the file and the video, see :func:`in_context`.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from asl_mmaction.datasets.preparation.dataset_writer import check_training
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import (
    in_context,
    positive,
    read_names,
    videos_of,
)
from asl_mmaction.files.writing import hint_at_same_name, write_json

#: Seconds; a smaller excess over the duration is rounding, not dirt.
TOLERANCE = 1e-6


def convert(source: Source, *, as_published: bool = False) -> dict:
    """Apply the rules of this module.

    Returns:
        Content of an annotation file of the schema; ``conversion`` holds the counts by subset.

    Raises:
        ValueError: An action of a class that no rule is about; nothing is left to be trained on.
    """
    labels = {name: index for index, name in enumerate(source.classes)}
    counts, database = Counter(source.counts), {}
    for name, video in source.videos.items():
        kept = _clean(video, counts, as_published)
        for start, end, label in kept:
            if label not in labels:
                raise ValueMistake(
                    f'{video.file}: video {name!r}: expected one of {len(labels)} classes '
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
    files = ', '.join(sorted({str(video.file) for video in source.videos.values()}))
    with in_context(files or source.version, 'a dataset'):
        check_training(database)
        if len(labels) != len(source.classes) or not labels:
            raise ValueMistake(f'expected distinct class names but got {list(source.classes)}')
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
    video: SourceVideo, counts: Counter, as_published: bool
) -> list[tuple[float, float, str]]:
    seen, kept = set(), []
    dropped, cut = ('kept', 'kept') if as_published else ('dropped', 'cut')
    for start, end, label in video.actions:
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


def write_sources(
    sources: Mapping[str, Source],
    args: argparse.Namespace,
    read_from: Iterable[Path],
    known: Mapping[str, tuple[int, int]],
    clean: Callable[[Source], None] | None = None,
) -> str:
    """Exclude, convert and write, all or nothing, as the arguments of a converter say.

    Args:
        sources: What was read, by the name of its file in the folder ``args.out``.
        args: With ``exclude``, ``as_published`` and ``out``.
        read_from: The sources' files, which are never overwritten.
        known: See :func:`count_table`.
        clean: What else is to be left out of a source, once the videos to exclude are.

    Returns:
        The tables of counts, and where the files are.
    """
    names = read_names(args.exclude) if args.exclude else ()
    inputs = [path for path in read_from if path.exists()]
    contents = {}
    for file, source in sources.items():
        path = args.out / file
        if path.exists() and any(path.samefile(other) for other in inputs):
            raise ValueMistake(
                f'expected --out in another folder than the source but got {path}, which is the '
                f'source'
            )
        with in_context(str(args.exclude), 'names of videos'):
            exclude(source, names)
        if clean is not None:
            clean(source)
        contents[path] = convert(source, as_published=args.as_published)
    for path, content in contents.items():
        with in_context(str(path), 'a file that can be written'):
            write_json(path, content)
    return '\n'.join(
        f'{count_table(content, known)}\nwritten to {path}' for path, content in contents.items()
    )


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


def rename_subset(subset: Any, names: Mapping[str, str]) -> str:
    """Name of a subset in the schema; upper and lower case are the same."""
    if str(subset).lower() not in names:
        raise ValueMistake(f'expected a subset of {sorted(names)} but got {subset!r}')
    return names[str(subset).lower()]


def read_database(
    path: Path, content: Mapping, source: Source, subsets: Mapping[str, str]
) -> Source:
    """Fill a source from ActivityNet's form, as ActionFormer, OpenTAD and TSP write it too.

    Times are in seconds; an action with ``segment(frames)`` only is divided by the video's fps.

    Args:
        path: The file.
        content: The parsed file: ``database``, or its content alone.
        source: To be filled.
        subsets: The file's subset names (lower case) -> those of the schema.
    """
    videos = videos_of(path, content)
    for name, video in videos.items():
        form = 'subset, duration and annotations of segment and label'
        with in_context(f'{path}: video {name!r}', form):
            subset = rename_subset(video['subset'], subsets)
            target = SourceVideo(path, subset, video['duration'], fps=video.get('fps'))
            for item in video.get('annotations', ()):
                if 'segment' in item:
                    target.add(item['segment'], item['label'])
                else:
                    fps = positive('fps, for times in frames,', target.fps)
                    target.add([frame / fps for frame in item['segment(frames)']], item['label'])
                    source.counts[subset, 'in frames: converted'] += 1
            source.add(name, target)
    if not any(video.get('annotations') for video in videos.values()):
        raise ValueMistake(f'{path}: expected annotations of some video but got none at all')
    return source


def read_pointtad(
    path: Path, content: Mapping, source: Source, subsets: Mapping[str, str], first: int
) -> Source:
    """Fill a source from PointTAD's form: ``actions`` of [class number, start, end] in seconds.

    Args:
        path: The file.
        content: The parsed file, videos by name.
        source: To be filled; its classes are the meaning of the numbers.
        subsets: The file's subset names (lower case) -> those of the schema.
        first: Number of the first class, 0 or 1.
    """
    last = first + len(source.classes) - 1
    for name, video in content.items():
        form = 'subset, duration and actions of [class number, start, end]'
        with in_context(f'{path}: video {name!r}', form):
            subset = rename_subset(video['subset'], subsets)
            target = SourceVideo(path, subset, video['duration'])
            for number, *segment in video['actions']:
                if number not in range(first, last + 1):
                    raise ValueMistake(
                        f'expected class numbers of {first}..{last} but got {number!r}'
                    )
                target.add(segment, source.classes[int(number) - first])
                if first:
                    source.counts[subset, f'class numbers from {first}: converted'] += 1
            source.add(name, target)
    return source


def exclude(source: Source, names: Iterable[str]) -> None:
    """Take videos out of a source, counted.

    Raises:
        ValueError: A name is not in the source.
    """
    for name in dict.fromkeys(names):
        if name not in source.videos:
            raise ValueMistake(
                f'expected names of videos to exclude but got {name!r}: no such video'
                f'{hint_at_same_name(name, source.videos)}'
            )
        source.counts[source.videos.pop(name).subset, 'videos excluded: dropped'] += 1
