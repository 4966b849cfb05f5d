"""The one conversion between seconds and the feature grid."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import in_context, is_number

#: What a config or an annotation file says of a grid.
GRID_KEYS = ('fps', 'feat_stride', 'clip_len')

Time = TypeVar('Time', float, np.ndarray, torch.Tensor)


@dataclass(frozen=True)
class FeatureGrid:
    """Where the steps of a feature sequence lie in its video.

    Step ``t`` is computed from the frames ``t * feat_stride .. t * feat_stride + clip_len`` and
    stands at the centre of that clip::

        seconds = ((grid + origin) * feat_stride + 0.5 * clip_len) / fps

    Grid values are real numbers, nothing is rounded: the round trip is exact up to the precision of
    the values given (float64 in, float64 out).

    Args:
        fps: Frames (or samples) per second that ``feat_stride`` and ``clip_len`` count.
        feat_stride: Frames between neighbouring steps; may be fractional (resized features).
        clip_len: Frames that one step sees.
        origin: Steps cut off in front: grid value 0 is the whole sequence's step ``origin``.

    Raises:
        TypeError: A setting is not a number.
        ValueError: A setting is not finite, ``fps`` or ``feat_stride`` is not positive, or
            ``clip_len`` is negative.
    """

    fps: float
    feat_stride: float
    clip_len: float
    origin: float = 0.0

    def __post_init__(self) -> None:
        for name in (*GRID_KEYS, 'origin'):
            value = getattr(self, name)
            if not is_number(value):
                kind = ValueMistake if isinstance(value, float) else TypeMistake
                raise kind(f'expected {name} to be a number but got {value!r}')
            # a numpy scalar would promote float32 arrays to float64
            object.__setattr__(self, name, float(value))
        for name in ('fps', 'feat_stride'):
            if getattr(self, name) <= 0:
                raise ValueMistake(f'expected {name} > 0 but got {getattr(self, name)}')
        if self.clip_len < 0:
            raise ValueMistake(f'expected clip_len >= 0 but got {self.clip_len}')

    @classmethod
    def from_settings(cls, *layers: Mapping | None, where: str = '') -> 'FeatureGrid':
        """The grid of settings that stand in several places, see :func:`merge_grid_settings`.

        Args:
            *layers: Each with some of the settings; a later one counts.
            where: What an error is about, such as file and video.

        Raises:
            TypeError: As of the class.
            ValueError: As of the class, or a setting is missing.
        """
        if where:
            with in_context(where):
                return cls.from_settings(*layers)
        settings = merge_grid_settings(*layers)
        missing = [key for key in GRID_KEYS if key not in settings]
        if missing:
            raise ValueMistake(f'expected {", ".join(GRID_KEYS)} but got no {missing[0]}')
        return cls(**settings)

    def to_seconds(self, grid: Time) -> Time:
        """Grid values -> seconds; any shape, the kind (float, array, tensor) stays."""
        return ((grid + self.origin) * self.feat_stride + 0.5 * self.clip_len) / self.fps

    def to_grid(self, seconds: Time) -> Time:
        """Seconds -> grid values; any shape, the kind (float, array, tensor) stays."""
        return (seconds * self.fps - 0.5 * self.clip_len) / self.feat_stride - self.origin

    def nearest_steps(self, seconds: np.ndarray, num_steps: int) -> np.ndarray:
        """Seconds (M,) -> the nearest (M,) int64 of the steps 0, ..., ``num_steps`` - 1."""
        return np.rint(self.to_grid(seconds)).clip(0, num_steps - 1).astype(np.int64)

    def shifted(self, steps: float) -> 'FeatureGrid':
        """The grid of the sequence without its first ``steps`` steps."""
        return replace(self, origin=self.origin + steps)

    def covered_seconds(self, num_steps: float) -> tuple[float, float]:
        """Seconds that a sequence of ``num_steps`` steps stands for.

        From the start of the first clip to the end of the clip *behind* the last one: in grid
        values ``[0, num_steps]``, widened by half a clip. For a whole video this reaches past its
        end (else one more step would fit in), so a crop that removes nothing cuts no segment.
        """
        half_clip = 0.5 * self.clip_len / self.feat_stride
        return self.to_seconds(-half_clip), self.to_seconds(num_steps + half_clip)

    def num_steps(self, duration: float) -> int:
        """Whole clips in a video of ``duration`` seconds; 0 where it is shorter than one clip."""
        steps = (duration * self.fps - self.clip_len) / self.feat_stride + 1
        return max(0, math.floor(steps + 1e-6))  # slack: a duration in a file is rounded


def merge_grid_settings(*layers: Mapping | None) -> dict[str, Any]:
    """What several places say of a grid, such as a config, a file and a video: the one merge.

    Args:
        *layers: Each with some of :data:`GRID_KEYS`, or None; a later one counts. An ``fps`` of
            None is as good as left out.

    Raises:
        ValueError: There is no such setting.
    """
    settings: dict[str, Any] = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            if key not in GRID_KEYS:
                raise ValueMistake(f'expected grid with some of {GRID_KEYS} but got {key!r}')
            if key != 'fps' or value is not None:
                settings[key] = value
    return settings
