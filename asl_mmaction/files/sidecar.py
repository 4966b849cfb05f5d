"""What a feature file was made of and how: ``name.json`` beside ``name.npy``."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import is_number, read_json

#: Of the grid: what a config may say as well, and then must say alike.
GRID_KEYS = ('fps', 'feat_stride', 'clip_len')
#: Numbers that a sidecar may have besides.
COUNTS = ('T', 'dim', 'frames', 'duration')


def sidecar_path(feature: str | os.PathLike) -> Path:
    """``features/a.npy`` -> ``features/a.json``."""
    return Path(os.path.splitext(feature)[0] + '.json')


def read_sidecar(feature: str | os.PathLike) -> dict | None:
    """What the sidecar of a feature file says, or None where there is none.

    A JSON file without ``feat_stride``, ``fps`` and ``clip_len`` is no sidecar but something else
    of the same name.

    Args:
        feature: the feature file; ``fps``, ``feat_stride`` and ``clip_len`` are those of
            :class:`FeatureGrid`, ``T`` the steps, ``dim`` the channels, ``frames`` those of the
            video and ``duration`` its seconds. Other keys tell the origin.

    Raises:
        ValueError: it cannot be read, or a number in it is none, or not above 0.
    """
    path = sidecar_path(feature)
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or not content.keys() & set(GRID_KEYS):
        return None
    for key in content.keys() & {*GRID_KEYS, *COUNTS}:
        value = content[key]
        if not is_number(value) or value < 0 or (value == 0 and key != 'clip_len'):
            raise ValueMistake(f'{path}: expected {key} to be a number > 0 but got {value!r}')
    return content


def complete_grid(settings: Mapping, feature: str | os.PathLike) -> dict:
    """The grid of a feature file: what settings leave out is what its sidecar says.

    Args:
        settings: Some of ``fps``, ``feat_stride`` and ``clip_len``, such as a config has them.
        feature: The feature file, with or without a sidecar.

    Raises:
        ValueError: The two say something different, or the sidecar cannot be read.
    """
    sidecar = read_sidecar(feature) or {}
    told = {key: sidecar[key] for key in GRID_KEYS if key in sidecar}
    for key, value in told.items():
        given = settings.get(key, value)
        if not is_number(given) or not math.isclose(given, value, rel_tol=1e-5):
            raise ValueMistake(
                f'expected {key} {value}, as {sidecar_path(feature)} says of the feature, but got '
                f'{key}={given!r} in the grid of the config'
            )
    return {**told, **settings}
