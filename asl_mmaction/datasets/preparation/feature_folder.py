"""A folder of features: which file belongs to which recording, and what the files are."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from asl_mmaction.datasets.preparation.action_rows import Row
from asl_mmaction.files.features import READERS, read_form
from asl_mmaction.files.mistakes import FileMistake, ValueMistake
from asl_mmaction.files.reading import in_context
from asl_mmaction.files.sidecar import complete_grid, read_sidecar, sidecar_path
from asl_mmaction.files.writing import hint_at_same_name
from asl_mmaction.structures.feature_grid import FeatureGrid

#: What Label Studio puts before the name of an uploaded file.
UPLOAD = re.compile(r'^[0-9a-f]{8}-')


class Feature(NamedTuple):
    """What is known of a recording's feature.

    Attributes:
        path: Of the file.
        num_steps: T.
        grid: Of the feature.
        duration: Seconds as the sidecar says; None: it does not.
    """

    path: Path
    num_steps: int
    grid: FeatureGrid
    duration: float | None


# Which file belongs to which recording


def find_features(
    folder: Path, rows: Sequence[Row], *, skip_missing: bool = False
) -> tuple[dict[str, str], str]:
    """Find the feature file of each recording of the rows.

    A recording may be given as a name, a path or a URL, with or without an extension. The files may
    have a prefix or an ending in common (``v_<video>.npy``).

    Args:
        folder: Of the features.
        rows: Of the actions.
        skip_missing: Leave recordings without a file out.

    Returns:
        Name of each recording as rows have it -> as features have it; and the pattern of file
        names, with ``{video}`` in it.

    Raises:
        FileNotFoundError: There is no feature in the folder, or none of some recording.
        ValueError: Two recordings in different folders have the same file.
    """
    files = _list_features(folder)
    given = list(dict.fromkeys(row.video for row in rows))
    patterns = {f'{{video}}{extension}' for _, extension in files}
    for stem, extension in sorted(files):
        patterns |= {
            f'{stem.replace(name, "{video}", 1)}{extension}'
            for name in _possible_names(given[0])
            if name and name in stem
        }
    there = {f'{stem}{extension}' for stem, extension in files}
    best: tuple[dict[str, str], str] = ({}, '')
    for pattern in sorted(patterns, key=lambda text: (len(text), text)):
        found = {}
        for video in given:
            fitting = (n for n in _possible_names(video) if pattern.replace('{video}', n) in there)
            name = next(fitting, None)
            if name is not None:
                found[video] = name
        if len(found) > len(best[0]):
            best = found, pattern
    found, pattern = best
    missing = [row for row in rows if row.video not in found]
    if missing and (not skip_missing or not found):
        names = list(dict.fromkeys(row.video for row in missing))
        stems = [stem for stem, _ in files]
        raise FileMistake(
            f'{missing[0].where}: expected a feature file for each recording in {folder} but got '
            f'none for {len(names)} of {len(given)}: {", ".join(map(repr, names[:3]))}'
            f'{", ..." if len(names) > 3 else ""}'
            f'{hint_at_same_name(_possible_names(names[0])[-1], stems)}; the files are called '
            f'{", ".join(sorted(there)[:3])}{", ..." if len(there) > 3 else ""}'
        )
    _check_distinct(rows, found)
    return found, pattern


def unread_features(features: Mapping[str, Feature]) -> list[str]:
    """A note if files of the same name and another extension lie beside the features."""
    beside = [
        (feature.path, other)
        for feature in features.values()
        for extension in READERS
        if (other := feature.path.with_suffix(extension)) != feature.path and other.is_file()
    ]
    if not beside:
        return []
    read, other = beside[0]
    more = f' (and {len(beside) - 1} more)' if len(beside) > 1 else ''
    return [f'{read.name} is read, {other.name} beside it is not{more}']


def _list_features(folder: Path) -> list[tuple[str, str]]:
    """(path below the folder without its extension, extension) of each feature file."""
    if not folder.is_dir():
        raise FileMistake(f'expected a folder of features but got {folder}, which is none')
    known = (*READERS, '.csv')
    paths = [path.relative_to(folder) for path in sorted(folder.rglob('*')) if path.is_file()]
    files = [
        (path.with_suffix('').as_posix(), path.suffix)
        for path in paths
        if path.suffix.lower() in known
    ]
    if not files:
        raise FileMistake(
            f'expected feature files ({", ".join(known)}) in {folder} but got '
            f'{len(paths)} files, none of these'
        )
    return files


def _possible_names(video: str) -> list[str]:
    """Names that a recording's feature may go by, the most literal first."""
    text = unquote(video).replace('\\', '/').partition('?d=')[2] or video.replace('\\', '/')
    text = unquote(text).partition('?')[0].strip()
    base = PurePosixPath(text).name
    stem = PurePosixPath(base).stem
    whole = str(PurePosixPath(text).with_suffix('')) if base else text
    names = [text, whole, base, stem, UPLOAD.sub('', base), UPLOAD.sub('', stem)]
    return list(dict.fromkeys(name for name in names if name))


def _check_distinct(rows: Sequence[Row], found: Mapping[str, str]) -> None:
    folders: dict[str, Row] = {}
    for row in rows:
        if row.video not in found:
            continue
        other = folders.setdefault(found[row.video], row)
        parents = [str(PurePosixPath(r.video.replace('\\', '/')).parent) for r in (other, row)]
        if parents[0] != parents[1]:
            raise ValueMistake(
                f'{row.where}: expected one recording for each feature file but got '
                f'{row.video!r} and, in {other.where.rpartition(": ")[2]}, {other.video!r} for '
                f'{found[row.video]!r}'
            )


# What the features are


def read_features(
    folder: Path,
    pattern: str,
    own_fps: Mapping[str, float | None],
    settings: Mapping,
    key: str | None = None,
) -> tuple[dict[str, Feature], int, str | None, list[str]]:
    """Look at the features' shapes and sidecars.

    Args:
        folder: Of the features.
        pattern: Of their names.
        own_fps: Recording -> its own fps, or None.
        settings: Of the grid of all, where given: ``fps``, ``feat_stride``, ``clip_len``.
        key: Of the array, see :func:`read_form`.

    Returns:
        Recording -> feature; the width; ``'CT'`` where the files are so, or None; notes.

    Raises:
        ValueError: A file is no feature, they are not of one width, or no grid is known.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for video in own_fps:
        path = folder / pattern.replace('{video}', video)
        with in_context(str(path), 'a feature'):
            shape, dtype = read_form(str(path), key)
            if dtype.kind not in 'fiub':
                raise ValueMistake(f'expected numbers but got {dtype}')
            if len(shape) != 2 or not all(shape):
                raise ValueMistake(f'expected a feature of (steps, channels) but got {shape}')
        shapes[video] = shape
    layout, notes = _find_layout(folder, shapes)
    features = {}
    for video, shape in shapes.items():
        path = folder / pattern.replace('{video}', video)
        own = {'fps': own_fps[video]} if own_fps[video] and 'fps' not in settings else {}
        with in_context(str(path)):
            complete = complete_grid({**settings}, path)
            missing = [
                option
                for name, option in (('feat_stride', '--stride'), ('clip_len', '--clip-len'))
                if name not in complete
            ]
            missing += [] if 'fps' in {**own, **complete} else ['--fps']
            if missing:
                raise ValueMistake(
                    f'expected {" and ".join(missing)}, or a sidecar {sidecar_path(path).name} '
                    f'that says so, but got none'
                )
            grid = FeatureGrid.from_settings(own, complete)
        steps = shape[1] if layout == 'CT' else shape[0]
        features[video] = Feature(path, steps, grid, (read_sidecar(path) or {}).get('duration'))
    width = next(iter(shapes.values()))[0 if layout == 'CT' else 1]
    return features, width, layout, notes


def _find_layout(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str | None, list]:
    widths = [Counter(shape[axis] for shape in shapes.values()) for axis in (1, 0)]
    if len(widths[0]) == 1:
        if len(widths[1]) == 1:
            shape = next(iter(shapes.values()))
            return None, [f'all features are {shape}: taken as (steps, channels)']
        return None, []
    if len(widths[1]) == 1:
        return 'CT', ['the features are (channels, steps)']
    (usual, _), *others = widths[0].most_common()
    odd = next(video for video, shape in shapes.items() if shape[1] == others[0][0])
    raise ValueMistake(
        f'{folder}: expected features of one width but got {usual} channels and, of {odd!r}, '
        f'{shapes[odd][1]}, shape {shapes[odd]}'
    )
