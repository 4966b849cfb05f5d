"""How much each frame of a recording matters: Figure 4 of the paper, for any recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asl_mmaction.visualization.figures import (
    CLS_COLOR,
    END_COLOR,
    GRID_COLOR,
    START_COLOR,
    TRUTH_COLOR,
    add_legend,
    plain,
)
from asl_mmaction.visualization.panels import (
    checked_part,
    draw_frames,
    frames_height,
    stacked_panels,
    time_axis,
)
from asl_mmaction.visualization.recording import Recording
from asl_mmaction.visualization.timeline import assign_lanes

TASKS = ('classification', 'localization')


@dataclass(frozen=True)
class ActionSensitivity:
    """What an evaluator says of the frames of one ground truth, of classification, localization.

    Args:
        label: class.
        segment: (start, end) in seconds.
        p_times: (A,) seconds, from start to end.
        p: (A, 2) class level; nan where there is none.
        q_times: (B,) seconds of the points of the level that the action is trained on.
        q: (B, 2) instance level; nan where there is none.
        h_times: (C,) seconds of the points that are trained on the action.
        h: (C, 2) their weights in the losses.
    """

    label: str
    segment: tuple[float, float]
    p_times: np.ndarray
    p: np.ndarray
    q_times: np.ndarray
    q: np.ndarray
    h_times: np.ndarray
    h: np.ndarray


def draw_action_sensitivity(
    recording: Recording,
    actions: Sequence[ActionSensitivity],
    *,
    start: float = 0.0,
    end: float | None = None,
    width: float = 10.0,
    font: float = 12.0,
    frames: Sequence[np.ndarray] = (),
) -> Figure:
    """Frames of the video, its actions, and below them p, q and h for both sub-tasks.

    Args:
        recording: name and duration.
        actions: of its ground truths.
        start: seconds; what lies outside of [start, end] is left out.
        end: seconds; None is the end of the recording.
        width: inches.
        font: size of the text in points.
        frames: (H, W, 3) uint8 pictures of the video, drawn above; see :func:`frame_times`.

    Raises:
        ValueMistake: a part [start, end] that is none of the recording's, or a width or font that
            is not positive.
    """
    end = checked_part(recording, start, end, width, font)
    actions = [x for x in actions if x.segment[0] <= end and start <= x.segment[1]]
    lanes = assign_lanes(np.array([x.segment for x in actions], dtype=float).reshape(-1, 2))
    line = font / 72  # inches
    heights = {
        'frames': frames_height(frames, width),
        'actions': 1.5 * line * (1 + lanes.max(initial=0)),
        **dict.fromkeys(TASKS, 9 * line),
    }
    figure, panels = stacked_panels(heights, width, 7 * line)
    if frames:
        draw_frames(panels['frames'], frames, start, end, width)
    _draw_actions(panels['actions'], actions, lanes, (start, end), font)
    highest = max(
        (np.nanmax(values, initial=1.0) for x in actions for values in (x.p, x.q, x.h)), default=1.0
    )
    for number, task in enumerate(TASKS):
        _draw_task(panels[task], actions, number, font)
        panels[task].set_ylim(0, 1.08 * highest)
    time_axis(panels[TASKS[-1]], start, end, width, font)
    figure.suptitle(
        f'{plain(recording.video_name)}: what each frame weighs in training',
        fontsize=font,
        fontweight='bold',
    )
    lines = [line for task in TASKS for line in panels[task].get_lines()]
    add_legend(figure, lines, below=True, columns=4, font=0.9 * font)
    return figure


def _draw_actions(
    axes: Axes,
    actions: Sequence[ActionSensitivity],
    lanes: np.ndarray,
    part: tuple[float, float],
    font: float,
) -> None:
    for action, lane in zip(actions, lanes, strict=True):
        start, end = action.segment
        # A white edge tells an action from the next, which may begin where it ends.
        bar = (lane + 0.06, 0.88)
        axes.broken_barh([(start, end - start)], bar, facecolor=TRUTH_COLOR, edgecolor='w', lw=0.8)
        low, high = max(start, part[0]), min(end, part[1])
        # As long as the bar, or cut: a name may not run into its neighbor.
        text = axes.text(
            (low + high) / 2,
            lane + 0.5,
            plain(action.label),
            color='white',
            fontsize=0.75 * font,
            ha='center',
            va='center',
            clip_on=True,
        )
        text.set_clip_path(axes.patch)
        text.set_visible((high - low) / (part[1] - part[0]) > 0.009 * len(action.label))
    axes.set_ylim(1 + lanes.max(initial=0), 0)
    axes.set_yticks([])
    axes.set_ylabel('actions', fontsize=0.85 * font, rotation=0, ha='right', va='center')
    axes.tick_params(axis='x', length=0)
    axes.spines[:].set_visible(False)


def _draw_task(axes: Axes, actions: Sequence[ActionSensitivity], task: int, font: float) -> None:
    color = (CLS_COLOR, START_COLOR)[task]
    for action in actions:
        axes.axvspan(*action.segment, color='#eef0f2', lw=0, zorder=0)
        axes.plot(action.p_times, action.p[:, task], color='#566573', lw=1.6, label='p (class)')
        axes.plot(
            action.q_times,
            action.q[:, task],
            color=END_COLOR,
            lw=1.4,
            ls=(0, (4, 2)),
            marker='.',
            ms=3,
            label='q (instance)',
        )
        axes.plot(
            action.h_times,
            action.h[:, task],
            'o',
            color=color,
            ms=5,
            label=f'h (weight), {TASKS[task]}',
        )
    axes.set_ylabel(TASKS[task], fontsize=font)
    axes.tick_params(labelsize=0.85 * font)
    axes.grid(color=GRID_COLOR, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
