"""One recording as a picture: ground truth and detections per class, sensitivity below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from asl_mmaction.files.clicks import Click
from asl_mmaction.visualization.class_gaussians import ClassGaussians
from asl_mmaction.visualization.figures import (
    CLS_COLOR,
    GRID_COLOR,
    START_COLOR,
    TRUTH_COLOR,
    plain,
)
from asl_mmaction.visualization.panels import (
    checked_part,
    draw_frames,
    frames_height,
    stacked_panels,
    time_axis,
)
from asl_mmaction.visualization.recording import (
    ANY_CLASS,
    BACKGROUND,
    Recording,
    band_of,
    has_no_classes,
    label_of,
)

# As in the pages; told apart by those who see fewer colours, and by their pattern by all.
RESULT_COLORS = ('#0068a8', '#a03a00', '#00795a', '#8a3a74')
STYLES: dict[str, dict] = {
    'truth': {'facecolor': TRUTH_COLOR, 'edgecolor': TRUTH_COLOR, 'lw': 0.8},
    'correct': {'facecolor': '#00795a', 'edgecolor': '#00795a', 'lw': 0.8},
    'wrong': {'facecolor': '#f3b48f', 'edgecolor': '#b23a06', 'lw': 0.8, 'hatch': '/////'},
    'missed': {'facecolor': 'white', 'edgecolor': TRUTH_COLOR, 'lw': 1.4, 'ls': (0, (2.5, 1.5))},
}
# Marks of clicks: seen on the bar of a ground truth as well as beside it.
CLICKS: dict[str, dict] = {
    kind: {'marker': marker, 'mfc': 'white', 'mec': '#b3261e', 'mew': 1.2, 'ls': 'none'}
    for kind, marker in {'background click': 'X', 'action click': 'D'}.items()
}
NO_BREAK = '\N{NO-BREAK SPACE}'
LANE = 1.0  # lines of text
GAP = 0.5  # lanes between two classes


class Bar(NamedTuple):
    """A segment as it is drawn.

    Attributes:
        segment: (start, end) in seconds.
        label: class, or what stands for it.
        kind: ``truth``, ``found``, ``correct``, ``wrong`` or ``missed``; of a mark, whose segment
            has no length, ``background click`` or ``action click``.
        score: of a detection; of others infinite, as they are certain.
    """

    segment: tuple[float, float]
    label: str
    kind: str
    score: float = math.inf


def draw_timeline(
    recording: Recording,
    *,
    score_threshold: float = 0.3,
    start: float = 0.0,
    end: float | None = None,
    width: float = 10.0,
    font: float = 12.0,
    gaussians: ClassGaussians | None = None,
    frames: Sequence[np.ndarray] = (),
) -> Figure:
    """Ground truth above detections, a band for each class that has either.

    Segments of one kind that overlap are put into lanes of their own, so nothing is hidden. Clicks
    are marks on the lane of the ground truths, a cross on background, a diamond on an action. The
    picture is as wide as a slide, and as high as it has to be.

    Args:
        recording: what to draw.
        score_threshold: detections below it are left out.
        start: seconds; what lies outside of [start, end] is left out.
        end: seconds; None is the end of the recording.
        width: inches.
        font: size of the text in points.
        gaussians: learned class-level sensitivity; drawn along each ground truth below.
        frames: (H, W, 3) uint8 pictures of the video, drawn above; see :func:`frame_times`.

    Raises:
        ValueMistake: a part [start, end] that is none of the recording's, or a width or font that
            is not positive.
    """
    end = checked_part(recording, start, end, width, font)
    tracks = {
        name: [bar for bar in bars if bar.segment[0] <= end and start <= bar.segment[1]]
        for name, bars in _tracks(recording, score_threshold).items()
    }
    bands = _bands(recording, tracks)
    lanes = sum(height + GAP for *_, height in bands)
    line = font / 72  # inches
    title = _title(recording, tracks, width=int(1.6 * width / line))
    heights = {
        'frames': frames_height(frames, width),
        'bars': line * LANE * max(lanes, 2),
        'sensitivity': 8 * line if gaussians is not None else 0.0,
    }
    figure, panels = stacked_panels(heights, width, line * (7 + 1.4 * title.count('\n')))
    if frames:
        draw_frames(panels['frames'], frames, start, end, width)
    if gaussians is not None:
        _draw_sensitivity(panels['sensitivity'], recording.ground_truths or (), gaussians, font)
    _draw_bands(panels['bars'], bands, font, named=len(recording.results) > 1)
    time_axis(list(panels.values())[-1], start, end, width, font)
    figure.suptitle(title, fontsize=font, fontweight='bold')
    _add_legend(figure, recording, gaussians is not None, font)
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


def _tracks(recording: Recording, threshold: float) -> dict[str | None, list[Bar]]:
    """The bars of the ground truth (None) and of each result; in a verdict, also what it missed."""
    tracks: dict[str | None, list[Bar]] = {}
    truths = [_bar(row, 'truth') for row in recording.ground_truths or ()]
    if recording.ground_truths is not None:
        tracks[None] = [*truths, *map(_mark, recording.clicks)]
    for name, all_rows in recording.results.items():
        rows = [row for row in all_rows if row['score'] >= threshold]
        if recording.verdict_tiou is None:
            tracks[name] = [_bar(row, 'found') for row in rows]
            continue
        found = {row['match'] for row in rows}
        missed = [bar for index, bar in enumerate(truths) if index not in found]
        if has_no_classes(all_rows):
            missed = [bar._replace(label=ANY_CLASS) for bar in missed]
        tracks[name] = [
            *(_bar(row, 'wrong' if row['match'] is None else 'correct') for row in rows),
            *(bar._replace(kind='missed') for bar in missed),
        ]
    return tracks


def _bar(row: Mapping, kind: str) -> Bar:
    return Bar(tuple(row['segment']), label_of(row), kind, row.get('score', math.inf))


def _mark(click: Click) -> Bar:
    kind = 'background click' if click.label is None else 'action click'
    return Bar((click.time, click.time), band_of(click), kind)


def _bands(recording: Recording, tracks: Mapping[str | None, list[Bar]]) -> list[tuple]:
    """Of each class its name, its tracks as (name, [(lane, bar)], height), and its height."""
    shown = {bar.label for bars in tracks.values() for bar in bars}
    bands = []
    for label in recording.in_order(shown):
        parts = []
        for name, bars in tracks.items():
            everything = name is None and label == ANY_CLASS
            marks = [(0, bar) for bar in bars if bar.kind in CLICKS and bar.label == label]
            own = [bar for bar in bars if bar.kind not in CLICKS]
            own = [bar for bar in own if everything or bar.label == label]
            if label == BACKGROUND and not own + marks:
                continue
            # The best detection lies next to the ground truth.
            own.sort(key=lambda bar: (-bar.score, bar.segment[0]))
            segments = np.array([bar.segment for bar in own], dtype=np.float64).reshape(-1, 2)
            placed = list(zip(assign_lanes(segments).tolist(), own, strict=True))
            height = 1 + max((lane for lane, _ in placed), default=0)
            parts.append((name, placed + marks, height))
        bands.append((label, parts, sum(height for *_, height in parts)))
    return bands


def _draw_bands(axes: Axes, bands: list[tuple], font: float, *, named: bool) -> None:
    axes.set_autoscale_on(False)  # each bar would look at all before it
    y, ticks = 0.0, []
    for number, (_, parts, height) in enumerate(bands):
        if number % 2 == 0:
            axes.axhspan(y - GAP / 2, y + height + GAP / 2, color='#f0f2f4', lw=0, zorder=0)
        ticks.append(y + height / 2)
        results = -1
        for name, placed, lanes in parts:
            results += name is not None
            for lane, bar in placed:
                _draw_bar(axes, bar, y + lane, results, font)
            if named and name is not None:
                axes.text(
                    1.008,
                    y + lanes / 2,
                    plain(name),
                    transform=axes.get_yaxis_transform(),
                    va='center',
                    fontsize=0.75 * font,
                    color='#566573',
                )
            y += lanes
        y += GAP
    axes.set_yticks(ticks, [plain(name) for name, *_ in bands], fontsize=font)
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(max(y, 1.0) - GAP / 2, -GAP / 2)
    axes.grid(axis='x', color=GRID_COLOR, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)


def _draw_bar(axes: Axes, bar: Bar, y: float, number: int, font: float) -> None:
    start, end = bar.segment
    if bar.kind in CLICKS:
        axes.plot(start, y + 0.5, ms=0.6 * font, clip_on=False, zorder=3, **CLICKS[bar.kind])
        return
    style = STYLES.get(bar.kind) or _shade(RESULT_COLORS[number % len(RESULT_COLORS)], bar.score)
    # The outline keeps a segment without length in sight.
    axes.broken_barh([(start, end - start)], (y + 0.1, 0.8), **style)


def _shade(color: str, score: float) -> dict:
    """The lower the score, the paler."""
    share = 0.3 + 0.7 * min(max(score, 0.0), 1.0)
    face = [1 - share * (1 - part) for part in to_rgb(color)]
    return {'facecolor': face, 'edgecolor': color, 'lw': 0.8}


def _draw_sensitivity(
    axes: Axes, ground_truths: Iterable[Mapping], gaussians: ClassGaussians, font: float
) -> None:
    d = np.linspace(-0.5, 0.5, 65)
    p_cls, p_loc = gaussians.cls(d).sum(axis=1), gaussians.loc(d).sum(axis=1)  # (K, 65)
    for item in ground_truths:
        start, end = item['segment']
        index = gaussians.classes.index(item['label'])
        seconds = (d + 0.5) * (end - start) + start
        axes.plot(seconds, p_cls[index], color=CLS_COLOR, lw=1.8)
        axes.plot(seconds, p_loc[index], color=START_COLOR, lw=1.4)
    axes.set_ylim(bottom=0)
    axes.set_ylabel('sensitivity p', fontsize=font)
    axes.tick_params(labelsize=0.85 * font)
    axes.grid(color=GRID_COLOR, lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)


def _title(recording: Recording, tracks: Mapping[str | None, list[Bar]], width: int) -> str:
    """What is drawn, in numbers, in lines of at most ``width`` characters where words allow it."""
    parts = []
    for name, bars in tracks.items():
        if name is None:
            kinds = [bar.kind for bar in bars]
            parts.append(_count(kinds.count('truth'), 'ground truth'))
            parts += [_count(kinds.count(kind), kind) for kind in CLICKS if kind in kinds]
        elif recording.verdict_tiou is None:
            of = f'{name}: ' if len(tracks) > 1 else ''  # alone, the legend has its name
            parts.append(of + _count(len(bars), 'detection'))
        else:
            kinds = [bar.kind for bar in bars]
            counts = [f'{kinds.count(kind)} {kind}' for kind in ('correct', 'wrong', 'missed')]
            parts.append(f'{name}: {", ".join(counts)}')
    if recording.verdict_tiou is not None:
        parts[-1] += f' (tIoU {recording.verdict_tiou:g})'
    # A line ends between two results, not within one.
    kept = '; '.join(part.replace(' ', NO_BREAK) for part in parts)
    lines = textwrap.wrap(f'{recording.video_name}: {kept}', max(width, 20), break_long_words=False)
    return plain('\n'.join(lines).replace(NO_BREAK, ' '))


def _count(number: int, noun: str) -> str:
    return f'{number} {noun}{"" if number == 1 else "s"}'


def _add_legend(figure: Figure, recording: Recording, with_sensitivity: bool, font: float) -> None:
    handles: list = []
    if recording.ground_truths is not None:
        handles.append(Patch(label='ground truth', **STYLES['truth']))
    kinds = {_mark(click).kind for click in recording.clicks}
    handles += [
        Line2D([], [], label=kind, ms=0.6 * font, **style)
        for kind, style in CLICKS.items()
        if kind in kinds
    ]
    if recording.verdict_tiou is not None:
        handles += [Patch(label=kind, **STYLES[kind]) for kind in ('correct', 'wrong', 'missed')]
    else:
        handles += [
            Patch(label=plain(name), **_shade(RESULT_COLORS[index % len(RESULT_COLORS)], 0.9))
            for index, name in enumerate(recording.results)
        ]
    if with_sensitivity:
        handles += [
            Line2D([], [], color=CLS_COLOR, lw=1.8, label='$p_{cls}$'),
            Line2D([], [], color=START_COLOR, lw=1.4, label='$p_{loc} = p_{sot} + p_{eot}$'),
        ]
    figure.legend(
        handles=handles,
        loc='outside lower center',
        ncols=min(len(handles), 6),
        frameon=False,
        fontsize=0.9 * font,
    )
