"""The features of the videos of a data set: in which files they are, and on which grid."""

import os
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.fileio import exists

from asl_mmaction.files.annotations import require
from asl_mmaction.files.mistakes import FileMistake, TypeMistake, ValueMistake
from asl_mmaction.files.reading import in_context
from asl_mmaction.files.sidecar import complete_grid
from asl_mmaction.files.writing import check_file_name, hint_at_same_file
from asl_mmaction.structures.feature_grid import GRID_KEYS, FeatureGrid, merge_grid_settings


def feature_path(folder: str, feature_file: str | Sequence[str], video: str) -> str | list[str]:
    """Where the features of a video are.

    Args:
        folder: Of the feature files.
        feature_file: File name, ``{video}`` standing for that of the video; or several.
        video: Its name.

    Returns:
        A path; a list of them for several file names.

    Raises:
        ValueError: The name of the video leads out of the folder.
    """
    check_file_name(video)
    if not isinstance(feature_file, str):
        return [os.path.join(folder, file.replace('{video}', video)) for file in feature_file]
    return os.path.join(folder, feature_file.replace('{video}', video))


def check_feature_files(paths: Sequence[str], whose: str, backend_args: dict | None = None) -> None:
    """Make sure that feature files are there.

    Args:
        paths: One may stand there several times.
        whose: They are, for an error.
        backend_args: Of :func:`mmengine.fileio.exists`; None: the local disk.

    Raises:
        FileNotFoundError: Some are missing; the first of them are named.
    """

    def is_there(path: str) -> bool:
        return os.path.isfile(path) if backend_args is None else exists(path, backend_args)

    found = {path: is_there(path) for path in set(paths)}
    missing = [path for path in paths if not found[path]]
    if missing:
        hint = hint_at_same_file(missing[0]) if backend_args is None else ''
        raise FileMistake(
            f'{len(missing)} of {len(paths)} feature files are missing ({whose}): '
            f'{", ".join(missing[:3])}{", ..." if len(missing) > 3 else ""}{hint}'
        )


def agreed_grid(where: str, in_file: Any, in_config: Mapping | None) -> dict[str, Any]:
    """What an annotation file and a config say of the grid of all videos.

    Args:
        where: The file, for an error; ends in ``': '``.
        in_file: Some of :data:`GRID_KEYS`, as the file has it; None: nothing.
        in_config: The same; it alone counts where there is one.

    Raises:
        TypeError: The file's is not an object.
        ValueError: The two contradict each other, or one has other keys.
    """
    if not isinstance(in_file, dict | None):
        raise TypeMistake(
            f"{where}expected key 'grid' to be an object but got {reprlib.repr(in_file)}"
        )
    given: dict = in_file or {}
    settings = given if in_config is None else merge_grid_settings(in_config)
    for key in set(given) & set(settings):
        if given[key] != settings[key]:
            raise ValueMistake(
                f'{where}expected {key} {given[key]} (the features were made so) '
                f'but got grid {key}={settings[key]}'
            )
    check_keys('grid', settings, set(GRID_KEYS), where=where)
    return settings


def grid_of_video(where: str, video: Any, settings: Mapping, feature: str | None) -> FeatureGrid:
    """The grid of the features of a video.

    Args:
        where: File and video, for an error.
        video: As the annotation file has it; its ``fps`` counts where the settings have none.
        settings: Of :func:`agreed_grid`.
        feature: Its only feature file, on a local disk, whose sidecar says what the settings leave
            out. None: there is no such file.

    Raises:
        TypeError: A setting is not a number.
        ValueError: One is missing, out of range or contradicts the sidecar.
    """
    if feature is not None:
        with in_context(where):
            settings = complete_grid(settings, feature)
    missing = {'feat_stride', 'clip_len'} - set(settings)
    if missing:
        raise ValueMistake(
            f'{where}: expected a grid (fps, feat_stride, clip_len) in the config, '
            f'in the file or beside the feature but got no {" and no ".join(sorted(missing))}'
        )
    own = {} if 'fps' in settings else {'fps': require(where, video, 'fps', 'a number')}
    return FeatureGrid.from_settings(settings, own, where=where)


def check_keys(argument: str, given: Mapping, known: set[str], where: str = '') -> None:
    """Make sure that an argument has no other keys than these.

    Raises:
        ValueError: It has.
    """
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueMistake(
            f'{where}expected {argument} with keys {sorted(known)} but got {unknown[0]!r}'
        )
