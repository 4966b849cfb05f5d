"""Panels above one another that share a time axis, and frames of a video along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.ticker import FuncFormatter, MultipleLocator

from asl_mmaction.files.clock import clock
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.visualization.figures import new_figure
from asl_mmaction.visualization.recording import Recording

TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
# Of the width of a figure; the rest is for labels.
FRAMES_SHARE = 0.72


def checked_part(
    recording: Recording, start: float, end: float | None, width: float, font: float
) -> float:
    """The end of the part to draw, in seconds.

    Raises:
        ValueMistake: [start, end] is no part of the recording, or a size is not positive.
    """
    end = recording.duration if end is None else end
    if not 0 <= start < end <= recording.duration:
        raise ValueMistake(
            f'expected a part [start, end] of the {recording.duration:g} s of '
            f'{recording.video_name} but got [{start:g}, {end:g}]'
        )
    if not (width > 0 and font > 0):
        raise ValueMistake(f'expected a width and a font above 0 but got {width:g} and {font:g}')
    return end


def stacked_panels(
    heights: Mapping[str, float], width: float, rest: float
) -> tuple[Figure, dict[str, Axes]]:
    """A figure and its panels by name, from top to bottom, that share the axis of time.

    Args:
        heights: of each panel in inches; one of 0 is left out.
        width: of the figure in inches.
        rest: inches for title, legend and axis.
    """
    heights = {name: height for name, height in heights.items() if height > 0}
    figure = new_figure(width, sum(heights.values()) + rest)
    panels = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights.values())
    )
    return figure, dict(zip(heights, panels.ravel().tolist(), strict=True))


def time_axis(axes: Axes, start: float, end: float, width: float, font: float) -> None:
    """From ``start`` to ``end`` seconds, ticks at round times that stand apart."""
    most = max(width * 72 / font / 5, 2)
    step = next((step for step in TIME_STEPS if (end - start) / step <= most), 14400)
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    if end > 120:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, 0)))
        axes.set_xlabel('time (h:mm:ss)' if end >= 3600 else 'time (m:ss)', fontsize=font)
    else:
        axes.set_xlabel('time (s)', fontsize=font)
    axes.tick_params(axis='x', labelsize=0.85 * font)


def frame_times(start: float, end: float, count: int) -> np.ndarray:
    """Seconds of the frames that a picture of [start, end] takes: the middles of its parts."""
    return start + (np.arange(count) + 0.5) * (end - start) / count


def frames_height(frames: Sequence[np.ndarray], width: float) -> float:
    """Inches of the panel of these frames in a figure of ``width`` inches; 0 without any."""
    if not len(frames):
        return 0.0
    return 1.1 * max(len(frame) / frame.shape[1] for frame in frames) * _thumb(frames, width)


def draw_frames(
    axes: Axes, frames: Sequence[np.ndarray], start: float, end: float, width: float
) -> None:
    """Frames of a video, each in the middle of its part of [start, end], not distorted."""
    for frame, time in zip(frames, frame_times(start, end, len(frames)), strict=True):
        image = OffsetImage(frame, zoom=72 * _thumb(frames, width) / frame.shape[1])
        axes.add_artist(AnnotationBbox(image, (time, 0.5), frameon=False, pad=0))
    axes.set_ylim(0, 1)
    axes.set_axis_off()


def _thumb(frames: Sequence[np.ndarray], width: float) -> float:
    return FRAMES_SHARE * width / len(frames)
