"""What a detector gets wrong, in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asl_mmaction.visualization.figures import GRID_COLOR, new_figure, plain

#: Of the kinds of a detection, in their order, and of what is missed: colour and pattern.
COLORS = ('#009e73', '#cc79a7', '#d55e00', '#56b4e9', '#e69f00', '#999999', '#0072b2')
HATCHES = ('', '...', '///', '\\\\\\', 'xxx', '', '+++')


def draw_diagnosis(
    kinds: Sequence[str],
    profile: np.ndarray,
    costs: Mapping[str, float],
    groups: Mapping[str, Mapping[str, tuple[float, float]]],
    title: str,
) -> Figure:
    """Draw how many detections are of which kind, what each costs, and which actions are missed.

    Args:
        kinds: Names, the correct one first.
        profile: (R, kinds) shares of the best N detections of each class, of the next N, ....
        costs: mAP that each kind of error costs, in [0, 1].
        groups: Property -> its group -> mAP and share of missed actions, in [0, 1].
        title: Above the picture.
    """
    figure = new_figure(15, 4.2)
    widths = [3, 4, *(0.8 + 0.55 * len(values) for values in groups.values())]
    first, second, *others = figure.subplots(1, len(widths), gridspec_kw={'width_ratios': widths})
    bottom = np.zeros(len(profile))
    for index, kind in enumerate(kinds):
        shares = 100 * profile[:, index]
        first.bar(
            range(1, len(profile) + 1),
            shares,
            bottom=bottom,
            color=COLORS[index],
            hatch=HATCHES[index],
            edgecolor='white',
            label=kind,
        )
        bottom += shares
    _style(first, 'detections, best first (%)')
    first.set_xlabel('per action: 1st, 2nd, ... detection')
    handles, names = first.get_legend_handles_labels()
    first.legend(
        handles[::-1], names[::-1], frameon=False, fontsize='small', loc='upper left',
        bbox_to_anchor=(1, 1),
    )  # fmt: skip
    second.bar(
        range(len(costs)),
        [100 * cost for cost in costs.values()],
        color=COLORS[1:],
        hatch=HATCHES[1:],
        edgecolor='white',
    )
    for index, cost in enumerate(costs.values()):
        text = f'{100 * cost:.1f}'
        second.text(index, 100 * cost, text, ha='center', va='bottom', fontsize='small')
    # Where nothing costs anything, matplotlib would stretch an axis around 0.
    second.set_ylim(100 * min(0, *costs.values()), max(second.get_ylim()[1], 1))
    second.set_xticks(range(len(costs)), list(costs), rotation=40, ha='right')
    _style(second, 'mAP that each error costs')
    for axes, (name, values) in zip(others, groups.items(), strict=True):
        maps = [100 * value for value, _ in values.values()]
        missed = [100 * value for _, value in values.values()]
        axes.bar(range(len(values)), maps, color='#4c6e91')
        axes.plot(
            range(len(values)), missed, 'o', color='#d55e00', clip_on=False, label='missed (%)'
        )
        axes.set_xticks(range(len(values)), list(values), rotation=40, ha='right')
        axes.set_ylim(0, 100)
        _style(axes, name)
    if others:
        others[0].set_ylabel('mAP')
        others[0].legend(
            frameon=False, fontsize='small', loc='lower left', bbox_to_anchor=(0, 1.06)
        )
    figure.suptitle(plain(title))
    return figure


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize='medium')
    axes.grid(axis='y', color=GRID_COLOR)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
