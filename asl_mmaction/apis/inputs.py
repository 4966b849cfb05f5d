"""What a user gives to be looked at: features and videos, as files, folders, patterns or arrays."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asl_mmaction.extraction.video import VIDEO_SUFFIXES
from asl_mmaction.files.mistakes import FileMistake, TypeMistake, ValueMistake
from asl_mmaction.files.reading import check_file, in_context, is_number

Feature = str | os.PathLike | np.ndarray | Tensor
Sources = Feature | Sequence[Feature]
INPUT_KEYS = {'feature', 'video_name', 'duration', 'fps'}


@dataclass(frozen=True)
class Input:
    """A recording to be looked at.

    Attributes:
        name: Of the recording.
        features: Files or arrays (T, C), one for each source of the model, or one array of all
            channels; none where there is a video.
        video: The file of which features are to be computed.
        duration: Seconds, if known.
        fps: Of the features, if it is not the config's.
    """

    name: str
    features: tuple[str | np.ndarray, ...] = ()
    video: Path | None = None
    duration: float | None = None
    fps: float | None = None

    @property
    def file(self) -> str | None:
        """The video or the first feature file; None for arrays."""
        files = [part for part in self.features if isinstance(part, str)]
        return str(self.video) if self.video else next(iter(files), None)


def find_inputs(inputs: object, sources: Sequence[str], *, elsewhere: bool = False) -> list[Input]:
    """The recordings that a user means, each with a name of its own.

    Args:
        inputs: One or several of these: a feature file or array (T, C); a video file; a folder, of
            which all features and videos are taken; a pattern such as ``'new/*.npy'``; a list of
            features, one for each source; or a dict of ``feature`` (any of these) and perhaps
            ``video_name``, ``duration`` (seconds) and ``fps``.
        sources: File names of the model's features, such as ``['rgb/{video}.npy']``. In a folder,
            features are what ends as the one does, or what has the names of the several.
        elsewhere: Whether feature files are not on a local disk: they are neither looked for nor
            at.

    Raises:
        FileNotFoundError: There is no such file, or none in a folder or of a pattern.
        TypeError: An input, or a name in it, is of another type.
        ValueError: An unknown key, a name that is there twice, another number of sources, a
            duration that is not above 0.
    """
    single = isinstance(inputs, (Mapping, str, bytes, os.PathLike, np.ndarray, Tensor))
    items = [inputs] if single or not isinstance(inputs, Iterable) else inputs
    found: dict[str, Input] = {}
    for index, item in enumerate(items):
        expanded = _expand(item, sources) if isinstance(item, (str, os.PathLike)) else None
        for one in [item] if expanded is None else expanded:
            made = one if isinstance(one, Input) else _read(one, index, sources, elsewhere)
            other = found.setdefault(made.name, made)
            if other is not made:
                files = f' ({other.file} and {made.file})' if made.file else ''
                raise ValueMistake(
                    f'expected a name of its own for each video but got {made.name} twice{files}'
                )
    return list(found.values())


def is_video(file: object) -> bool:
    """Whether a file is to be watched, by its name's ending."""
    return isinstance(file, (str, os.PathLike)) and str(file).lower().endswith(VIDEO_SUFFIXES)


def _expand(place: str | os.PathLike, sources: Sequence[str]) -> Sequence[Input | str] | None:
    """What lies in a folder or fits a pattern; None for a file."""
    if os.path.isdir(place):
        folder = Path(place)
        if len(sources) == 1:
            suffixes = (os.path.splitext(sources[0])[1].lower(), *VIDEO_SUFFIXES)
            files = sorted(f for f in folder.rglob('*') if f.name.lower().endswith(suffixes))
            names = {
                file: os.path.splitext(file.relative_to(folder).as_posix())[0] for file in files
            }
            found = [
                Input(name, video=file) if is_video(file) else Input(name, (str(file),))
                for file, name in names.items()
                if file.is_file() and not file.name.startswith('.')
            ]
        else:
            found = list(_of_sources(folder, sources))
        if not found:
            raise FileMistake(
                f'expected features ({", ".join(sources)}) or videos in {place} but got none'
            )
        return found
    if glob.has_magic(str(place)) and not os.path.isfile(place):
        fitting = sorted(x for x in glob.glob(str(place), recursive=True) if os.path.isfile(x))
        if not fitting:
            raise FileMistake(f'expected files of the pattern {place} but got none')
        return fitting
    return None


def _of_file(file: Path, name: Path) -> Input:
    if is_video(file):
        return Input(name.as_posix(), video=file)
    return Input(name.as_posix(), (str(file),))


def _of_sources(folder: Path, sources: Sequence[str]) -> Iterator[Input]:
    """The recordings of which a folder has the file of every source."""
    before, _, behind = sources[0].partition('{video}')
    for file in sorted(folder.glob(f'{glob.escape(before)}**/*{glob.escape(behind)}')):
        name = file.relative_to(folder).as_posix()[len(before) : -len(behind) or None]
        files = [folder / source.replace('{video}', name) for source in sources]
        for other in files:
            with in_context(f'video {name!r}'):
                check_file(other, 'a feature file')
        yield Input(name, tuple(map(str, files)))


def _read(item: object, index: int, sources: Sequence[str], elsewhere: bool) -> Input:
    settings: dict[str, Any] = dict(item) if isinstance(item, Mapping) else {'feature': item}
    if settings.keys() - INPUT_KEYS or 'feature' not in settings:
        raise ValueMistake(
            f"input {index}: expected 'feature' and some of {sorted(INPUT_KEYS)} but got "
            f'{list(settings)}'
        )
    feature = settings['feature']
    several = isinstance(feature, (list, tuple))
    parts = tuple(_as_loaded(part, index) for part in (feature if several else [feature]))
    files = [part for part in parts if isinstance(part, str)]
    name = settings.get('video_name', Path(files[0]).stem if files else f'array_{index}')
    if not isinstance(name, str):
        raise TypeMistake(f'input {index}: expected video_name to be a string but got {name!r}')
    video = Path(files[0]) if not several and files and is_video(files[0]) else None
    if not video and len(parts) != len(sources) and (several or files):
        raise ValueMistake(
            f'video {name!r}: expected {len(sources)} features in a list '
            f'({", ".join(sources)}) but got {len(parts)}'
        )
    with in_context(f'video {name!r}'):
        for file in [] if elsewhere and not video else files:
            check_file(file, 'a video file' if video else 'a feature file')
        duration = settings.get('duration')
        if duration is not None and not (is_number(duration) and duration > 0):
            raise ValueMistake(f'expected a duration > 0, in seconds, but got {duration!r}')
    return Input(name, () if video else parts, video, duration, settings.get('fps'))


def _as_loaded(feature: object, index: int) -> str | np.ndarray:
    if isinstance(feature, (str, os.PathLike)):
        return os.fspath(feature)
    if isinstance(feature, np.ndarray):
        return feature
    if isinstance(feature, Tensor):
        if feature.layout != torch.strided:
            raise TypeMistake(f'input {index}: expected a dense tensor but got {feature.layout}')
        # numpy has no bfloat16
        return (feature.float() if feature.is_floating_point() else feature).detach().cpu().numpy()
    found = type(feature).__name__
    raise TypeMistake(f'input {index}: expected a feature file or array but got {found}')
