"""Whether features are as long as durations and grid say, and what would explain it if not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asl_mmaction.structures.feature_grid import FeatureGrid

#: By how much a length may differ. Steps: extractors pad or drop the last clips. Seconds: durations
#: are often whole ones; those of ActivityNet in two sources differ by 0.6 s at most in 99 of 100
#: videos. Never a share of the length: 1 % of an hour is 36 s, and the last action would be learned
#: that far beside its features.
TOLERANCE_STEPS, TOLERANCE_SECONDS = 3, 1.0
#: Frames per second that are no whole numbers: 23.976, 29.97, 59.94, 119.88, 14.985 and 12.5.
FRAME_RATES = (*(rate / 1.001 for rate in (24, 30, 60, 120, 15)), 12.5)
#: The part of a data set that one change of a setting has to explain.
MOST = 0.9


class FeatureLength(NamedTuple):
    """What one file has, and what it should have been made of.

    Attributes:
        duration: Of the video, seconds.
        grid: Of the whole feature.
        num_steps: Of the file.
    """

    duration: float
    grid: FeatureGrid
    num_steps: int


class Explanation(NamedTuple):
    """One change that makes durations and features agree.

    Attributes:
        text: Such as ``'fps=10 would fit all 12 files'``.
        fits: (N,) bool, the files that agree then.
    """

    text: str
    fits: np.ndarray


def tolerance(grid: FeatureGrid) -> float:
    """Seconds by which the end of a feature may differ from that of its video, or of another one.

    Three steps, or a second and the step that a second may begin, whichever is longer.
    """
    step = grid.feat_stride / grid.fps
    return max(TOLERANCE_STEPS * step, TOLERANCE_SECONDS + step) + 1e-6


def length_mismatch(sample: Mapping, num_steps: int) -> str | None:
    """What does not fit, where a feature's length is far from what duration and grid make it.

    Args:
        sample: ``video_name``, ``grid`` of the whole feature, and ``duration`` (None: unknown).
        num_steps: Of the whole feature.
    """
    grid, duration = sample['grid'], sample.get('duration')
    expected = num_steps if duration is None else grid.num_steps(duration)
    if abs(num_steps - expected) * grid.feat_stride / grid.fps <= tolerance(grid):
        return None
    return (
        f'video {sample["video_name"]!r}: expected about {expected} steps ({duration:g} s, '
        f'fps {grid.fps:g}, feat_stride {grid.feat_stride:g}, clip_len {grid.clip_len:g}) '
        f'but got {num_steps}'
    )


def explain(lengths: Sequence[FeatureLength]) -> Explanation | None:
    """What would make the files of a data set fit, many of which have a wrong length.

    One length for all; a constant number of steps, with the ``clip_len`` that would account for it;
    or another unit of the durations, another ``fps``, another ``feat_stride``. Of the values that
    fit a setting the roundest is named: ``fps=10``, not ``fps=9.9996``.

    Returns:
        None if no single change fits nearly all files, nearly all fit already, or there are fewer
        than two.
    """
    files = _Files(lengths)
    if files.count < 2 or (np.abs(files.difference) <= files.slack).mean() >= MOST:
        return None
    if np.ptp(files.num_steps) == 0 and np.ptp(files.expected) > 2 * TOLERANCE_STEPS:
        text = f'all {files.count} files have {files.num_steps[0]} steps, as if they were resized'
        return Explanation(text, np.ones(files.count, bool))
    offset = files.constant_offset()
    if offset is not None:
        return Explanation(offset, np.ones(files.count, bool))
    found = [*files.units(), *files.settings((0, 1, files.slack))]
    if not found:
        return None
    fits = found[0].fits
    which = f'all {files.count}' if fits.all() else f'{fits.sum()} of {files.count}'
    text = ', or '.join(item.text for item in found[:2] if item.fits.sum() == fits.sum())
    return Explanation(f'{text} would fit {which} files', fits)


def systematic_difference(lengths: Sequence[FeatureLength]) -> str | None:
    """What the files of a data set have in common that are all within the tolerance, but off.

    Such as one step more than expected in every file, or short videos with a wrong ``fps``.
    """
    files = _Files(lengths)
    if files.count < 3:
        return None
    offset = files.constant_offset()
    if offset is None and np.abs(files.difference).max() >= 2:
        exact = [item for item in files.settings((0,)) if item.fits.all()]
        if exact:
            return f'{exact[0].text} would fit all {files.count} files to the step'
    return offset


class _Files:
    """Columns of the files of a data set, and the changes that may explain them."""

    def __init__(self, lengths: Sequence[FeatureLength]) -> None:
        grids = [item.grid for item in lengths]
        self.grids = grids
        self.count = len(lengths)
        self.duration = np.array([item.duration for item in lengths])
        self.num_steps = np.array([item.num_steps for item in lengths])
        self.fps = np.array([grid.fps for grid in grids])
        self.stride = np.array([grid.feat_stride for grid in grids])
        self.clip_len = np.array([grid.clip_len for grid in grids])
        self.slack = np.array([tolerance(grid) for grid in grids]) * self.fps / self.stride
        self.expected = self.steps_of(self.duration)
        self.difference = self.num_steps - self.expected

    def steps_of(self, duration: np.ndarray) -> np.ndarray:
        """(N,) steps that the grids make of (N,) seconds."""
        pairs = zip(self.grids, duration, strict=True)
        return np.array([grid.num_steps(seconds) for grid, seconds in pairs])

    def bounds(self, slack: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) least and most strides between which the last clip ends, whole steps being cut."""
        return self.num_steps - slack - 1 - 1e-6, self.num_steps + slack

    def units(self) -> Iterator[Explanation]:
        """Units other than seconds that the durations may be in."""
        known = [self.duration]
        for unit, seconds in {
            'minutes': 60.0,
            'hours': 3600.0,
            'milliseconds': 1e-3,
            'frames': 1 / self.fps,
            'feature steps': self.stride / self.fps,
        }.items():
            other = self.duration * seconds
            fits = np.abs(self.num_steps - self.steps_of(other)) <= self.slack
            if fits.mean() >= MOST and not any(np.allclose(other, one) for one in known):
                yield Explanation(f'durations in {unit} instead of seconds', fits)
            known.append(other)

    def settings(self, slacks: Sequence[float | np.ndarray]) -> list[Explanation]:
        """One ``fps`` or one ``feat_stride`` for nearly all files.

        The one that is a usual number (``fps=10``, and not ``feat_stride=3.9396``), both if both
        are (``feat_stride=8``, ``fps=25``), or the one with fewer digits.
        """
        frames = self.duration * self.fps - self.clip_len
        found = []
        for name in ('fps', 'feat_stride'):
            best = None
            for slack in slacks:
                fewest, most = self.bounds(slack)
                if name == 'fps':
                    low, high = (
                        (steps * self.stride + self.clip_len) / self.duration
                        for steps in (fewest, most)
                    )
                else:
                    low, high = frames / most, frames / np.maximum(fewest, 1e-9)
                value, fits = _most_common(low, high, FRAME_RATES if name == 'fps' else ())
                if fits.mean() >= MOST and (best is None or fits.sum() > best[1].sum()):
                    best = value, fits
            if best is not None:
                value, fits = best
                usual = value in FRAME_RATES or (value == round(value) and _digits(value) <= 3)
                text = f'{name}={value:.{5 if value in FRAME_RATES else 10}g}'
                found.append((not usual, _digits(value), Explanation(text, fits)))
        found.sort(key=lambda item: item[:2])
        return [item for rank, (odd, _, item) in enumerate(found) if rank == 0 or not odd]

    def constant_offset(self) -> str | None:
        """The steps that all files have more or fewer than expected, and the ``clip_len`` for it.

        None unless the files differ in length: of files of one length, a wrong ``fps`` makes it.
        """
        least, most = self.difference.min(), self.difference.max()
        varied = np.ptp(self.expected) >= 0.5 * self.expected.max()
        if least * most <= 0 or most - least > 1 or not varied:
            return None
        numbers = '-'.join(map(str, sorted({abs(least), abs(most)})))
        text = (
            f'all {self.count} files have {numbers} step{"" if numbers == "1" else "s"} '
            f'{"more" if least > 0 else "fewer"} than expected'
        )
        fewest, last = self.bounds(0)
        frames = self.duration * self.fps
        value, fits = _most_common(
            np.maximum(frames - last * self.stride, 0), frames - fewest * self.stride
        )
        return f'{text}; clip_len={value:.10g} would fit them' if fits.all() else text


def _most_common(
    low: np.ndarray, high: np.ndarray, usual: Sequence[float] = ()
) -> tuple[float, np.ndarray]:
    """The roundest number in as many as possible of (N,) intervals, and which these are."""
    starts, ends = np.sort(low), np.sort(high)
    inside = np.searchsorted(starts, low, 'right') - np.searchsorted(ends, low, 'left')
    point = low[inside.argmax()]
    fits = (low <= point) & (point <= high)
    least, most = low[fits].max(initial=point), high[fits].min(initial=np.inf)
    return _roundest(least, most, usual), fits


def _roundest(low: float, high: float, usual: Sequence[float]) -> float:
    """A whole number in an interval, one of the usual ones, or the shortest decimal."""
    middle = (low + min(high, 2 * low + 1)) / 2
    whole = [round(middle, digits) for digits in range(-6, 1)]
    decimals = [round(middle, digits) for digits in range(1, 12)]
    candidates = (value for value in (*whole, *usual, *decimals) if low <= value <= high)
    return next(candidates, middle)


def _digits(value: float) -> int:
    return len(f'{value:.10g}'.replace('.', '').strip('0'))
