"""Rows of actions and features -> a :class:`Source`, or one line on what is wrong."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asl_mmaction.datasets.preparation.action_rows import Row
from asl_mmaction.datasets.preparation.feature_folder import Feature
from asl_mmaction.datasets.preparation.source import Source, SourceVideo
from asl_mmaction.files.mistakes import ValueMistake

#: The least share of actions that another unit has to bring inside, to be named.
MOST = 0.9


def make_source(
    path: Path,
    rows: Iterable[Row],
    features: Mapping[str, Feature],
    durations: Mapping[str, float],
    classes: Sequence[str] | None,
) -> Source:
    """Recordings with their actions in seconds; all of subset ``''``.

    A duration is the given one, else the sidecar's, else the time that the steps cover: as much of
    the step behind the last clip as the actions want.

    Args:
        path: Of the actions.
        rows: Whose ``video`` is the name of a feature.
        features: Of the recordings.
        durations: Seconds, where given.
        classes: In the order of their labels; None: all labels, sorted.

    Raises:
        ValueError: A label is none of the classes, two differ in case alone, a recording has two
            durations, or the times are in another unit.
    """
    rows = list(rows)
    names = list(classes) if classes else _find_classes(rows)
    by_video: dict[str, list[Row]] = {}
    for row in rows:
        by_video.setdefault(row.video, []).append(row)
        if row.label is not None and row.label not in names:
            raise ValueMistake(
                f'{row.where}: expected one of {len(names)} classes but got {row.label!r}'
            )
    if not names:
        raise ValueMistake(f'{path}: expected actions but got {len(by_video)} recordings without')
    source = Source(f'{path.name}, converted', names)
    for video, own in by_video.items():
        feature = features[video]
        actions = [(*row.seconds(feature.grid.fps), row.label) for row in own if row.label]
        duration = _duration(video, own, feature, durations, [end for _, end, _ in actions])
        target = SourceVideo(path, '', duration, fps=feature.grid.fps)
        target.actions = actions
        source.add(video, target)
    _check_unit(source, by_video, features)
    return source


def untold_durations(
    rows: Iterable[Row], features: Mapping[str, Feature], durations: Mapping[str, float]
) -> set[str]:
    """Recordings whose duration nothing tells but the length of their features."""
    told = {row.video for row in rows if row.duration is not None}
    return {
        name
        for name, feature in features.items()
        if feature.duration is None and name not in durations and name not in told
    }


def _find_classes(rows: Sequence[Row]) -> list[str]:
    seen: dict[str, Row] = {}
    for row in rows:
        if row.label is None:
            continue
        other = seen.setdefault(_folded(row.label), row)
        if other.label != row.label:
            raise ValueMistake(
                f'{row.where}: expected label {other.label!r}, as in '
                f'{other.where.rpartition(": ")[2]}, but got {row.label!a}; if both are classes, '
                f'--classes FILE lists them'
            )
    return sorted({row.label for row in rows if row.label is not None})


def _folded(label: str) -> str:
    """Without case, Unicode normal form and characters that take no room, which nobody sees."""
    seen = (letter for letter in label if unicodedata.category(letter) not in ('Cc', 'Cf'))
    return unicodedata.normalize('NFC', ''.join(seen)).casefold()


def _duration(
    video: str,
    rows: Sequence[Row],
    feature: Feature,
    durations: Mapping[str, float],
    ends: Sequence[float],
) -> float:
    told = {row.duration: row for row in rows if row.duration is not None}
    if len(told) > 1:
        (first, _), (second, row), *_ = told.items()
        raise ValueMistake(
            f'{row.where}: expected one duration of {video!r} but got {first:g} and {second:g}'
        )
    known = durations.get(video, next(iter(told), feature.duration))
    if known is not None:
        return float(known)
    grid = feature.grid
    least = ((feature.num_steps - 1) * grid.feat_stride + grid.clip_len) / grid.fps
    step = grid.feat_stride / grid.fps
    return round(min(max(least, *ends, 0.0), least + step), 6)


def _check_unit(
    source: Source, rows: Mapping[str, Sequence[Row]], features: Mapping[str, Feature]
) -> None:
    """Refuse actions that lie behind the end of their recordings as if in another unit."""
    outside = {
        name: [start >= video.duration for start, *_ in video.actions]
        for name, video in source.videos.items()
    }
    total, out = sum(map(len, outside.values())), sum(map(sum, outside.values()))
    lost = [name for name, wrong in outside.items() if wrong and all(wrong)]
    if not lost and 2 * out <= total:
        return
    name = lost[0] if lost else next(name for name, wrong in outside.items() if any(wrong))
    video = source.videos[name]
    row = next(r for r, wrong in zip(_actions(rows[name]), outside[name], strict=True) if wrong)
    guess = ''
    for unit in ('frames', 'milliseconds', 'seconds'):  # the longest first
        inside = [
            other.seconds(features[key].grid.fps)[1] <= source.videos[key].duration * 1.01
            for key, own in rows.items()
            for other in (Row(r.where, key, r.label, r.start, r.end, unit) for r in _actions(own))
        ]
        if unit != row.unit and sum(inside) >= MOST * total:
            guess = f'; --unit {unit} would fit {sum(inside)} of {total}'
            break
    start, end = row.seconds(features[name].grid.fps)
    raise ValueMistake(
        f'{row.where}: expected actions inside their recordings but got {out} of {total} behind '
        f'the end, all of {len(lost)} recordings: such as {start:g}..{end:g} s of {name!r}, which '
        f'has {video.duration:g} s{guess}'
    )


def _actions(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.label is not None]
