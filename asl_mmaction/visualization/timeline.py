"""One video as a picture: ground truth and detections per class, sensitivity below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asl_mmaction.visualization.class_gaussians import ClassGaussians
from asl_mmaction.visualization.figures import (
    CLS_COLOR,
    GRID_COLOR,
    START_COLOR,
    TRUTH_COLOR,
    new_figure,
    plain,
)

# The palest fifth of the map cannot be told from the paper.
SCORE_COLORS = LinearSegmentedColormap.from_list(
    'score', colormaps['YlOrRd'](np.linspace(0.2, 1.0, 64))
)
LANE = 0.24  # inches
GAP = 0.5  # lanes between two classes


def draw_timeline(
    video_name: str,
    duration: float,
    ground_truths: Sequence[Mapping],
    detections: Sequence[Mapping],
    *,
    score_threshold: float = 0.3,
    gaussians: ClassGaussians | None = None,
) -> Figure:
    """Ground truth above detections, a band for each class that has either.

    Segments of one kind that overlap are put into lanes of their own, so nothing is hidden.

    Args:
        video_name: title.
        duration: length of the video in seconds.
        ground_truths: ``{'label': class name, 'segment': (start, end) in seconds}`` each.
        detections: the same with ``score`` in [0, 1].
        score_threshold: detections below it are left out.
        gaussians: learned class-level sensitivity; drawn along each ground truth in a second panel.

    Raises:
        ValueError: a duration that is not positive.
    """
    if not duration > 0:
        raise ValueError(f'expected {video_name} to have a positive duration but got {duration}')
    shown = [item for item in detections if item['score'] >= score_threshold]
    names = sorted({item['label'] for item in (*ground_truths, *shown)})
    bands = [(name, _in_lanes(ground_truths, name), _in_lanes(shown, name)) for name in names]
    lanes = sum(_lanes(truth) + _lanes(found) + GAP for _, truth, found in bands)
    bars = LANE * max(lanes, 2) + 0.2
    below = 1.5 if gaussians is not None else 0.0
    figure = new_figure(min(max(10.0, duration / 15), 22.0), bars + below + 1.3)
    if gaussians is None:
        top = bottom = figure.subplots()
    else:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(bars, below))
        _draw_sensitivity(bottom, ground_truths, gaussians)
    _draw_bands(top, bands)
    top.set_xlim(0, duration)
    bottom.set_xlabel('time (s)')
    top.set_title(
        f'{plain(video_name)}: {len(ground_truths)} ground truths, '
        f'{len(shown)} detections of score {score_threshold:g} or more',
        fontsize=11,
        pad=26,
    )
    _add_legend(figure, top, gaussians is not None)
    return figure


def assign_lanes(segments: np.ndarray) -> np.ndarray:
    """The lowest lane in which each segment, taken in turn, overlaps none before it.

    (G, 2) -> (G,) of 0, 1, ...; segments that only touch share a lane.
    """
    lanes = np.zeros(len(segments), dtype=np.int64)
    for index, (start, end) in enumerate(segments):
        before = segments[:index]
        taken = lanes[:index][(before[:, 0] < end) & (start < before[:, 1])]
        lanes[index] = np.setdiff1d(np.arange(index + 1), taken)[0]
    return lanes


def _in_lanes(items: Sequence[Mapping], name: str) -> list[tuple[int, Mapping]]:
    # The best detection lies next to the ground truth.
    items = [item for item in items if item['label'] == name]
    items.sort(key=lambda item: (-item.get('score', 0.0), item['segment'][0]))
    segments = np.array([item['segment'] for item in items], dtype=np.float64).reshape(-1, 2)
    return list(zip(assign_lanes(segments).tolist(), items, strict=True))


def _lanes(items: list[tuple[int, Mapping]]) -> int:
    return 1 + max((lane for lane, _ in items), default=-1)


def _draw_bands(axes: Axes, bands: list) -> None:
    y, ticks = 0.0, []
    for number, (_, truth, found) in enumerate(bands):
        height = _lanes(truth) + _lanes(found)
        if number % 2 == 0:
            axes.axhspan(y - GAP / 2, y + height + GAP / 2, color='#f2f4f4', zorder=0)
        for lane, item in truth:
            _draw_bar(axes, item['segment'], y + lane, TRUTH_COLOR)
        for lane, item in found:
            _draw_bar(axes, item['segment'], y + _lanes(truth) + lane, SCORE_COLORS(item['score']))
        ticks.append(y + height / 2)
        y += height + GAP
    axes.set_yticks(ticks, [plain(name) for name, _, _ in bands])
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(max(y, 1.0) - GAP / 2, -GAP / 2)
    axes.grid(axis='x', color=GRID_COLOR, lw=0.6)
    axes.set_axisbelow(True)


def _draw_bar(
    axes: Axes, segment: Sequence[float], y: float, color: str | tuple[float, ...]
) -> None:
    start, end = segment
    # The outline keeps a segment without length in sight.
    axes.broken_barh([(start, end - start)], (y + 0.1, 0.8), color=color, lw=0.8)


def _draw_sensitivity(
    axes: Axes, ground_truths: Sequence[Mapping], gaussians: ClassGaussians
) -> None:
    d = np.linspace(-0.5, 0.5, 65)
    p_cls, p_loc = gaussians.cls(d).sum(axis=1), gaussians.loc(d).sum(axis=1)  # (K, 65)
    for item in ground_truths:
        start, end = item['segment']
        index = gaussians.classes.index(item['label'])
        seconds = (d + 0.5) * (end - start) + start
        axes.plot(seconds, p_cls[index], color=CLS_COLOR, lw=1.6)
        axes.plot(seconds, p_loc[index], color=START_COLOR, lw=1.2)
    axes.set_ylim(bottom=0)
    axes.set_ylabel('sensitivity p')
    axes.grid(color=GRID_COLOR, lw=0.6)


def _add_legend(figure: Figure, axes: Axes, with_sensitivity: bool) -> None:
    handles: list = [
        Patch(color=TRUTH_COLOR, label='ground truth'),
        Patch(color=SCORE_COLORS(0.8), label='detection'),
    ]
    if with_sensitivity:
        handles += [
            Line2D([], [], color=CLS_COLOR, lw=1.6, label='$p_{cls}$'),
            Line2D([], [], color=START_COLOR, lw=1.2, label='$p_{loc} = p_{sot} + p_{eot}$'),
        ]
    axes.legend(
        handles=handles,
        loc='lower center',
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), SCORE_COLORS),
        ax=axes,
        pad=0.01,
        fraction=0.3 / figure.get_figwidth(),
    )
    bar.set_label('score', fontsize=9)
    bar.ax.tick_params(labelsize=8)
