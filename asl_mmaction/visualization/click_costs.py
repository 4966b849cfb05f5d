"""What clicks are worth: a metric by how many of them there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from asl_mmaction.visualization.curves import COLORS
from asl_mmaction.visualization.figures import GRID_COLOR, new_figure, plain

MARKERS = ('o', 's', '^', 'D')


class ClickCost(NamedTuple):
    """What one amount of clicks gives.

    Attributes:
        clicks: Clicks in a training video, on average.
        values: (seeds,) the metric, in [0, 1].
    """

    clicks: float
    values: np.ndarray


def draw_click_costs(series: Mapping[str, Sequence[ClickCost]], title: str = 'mAP') -> Figure:
    """Mean and sample standard deviation of each amount, in percent; one line for each series.

    Args:
        series: name -> amounts, rising.
        title: of the metric.
    """
    figure = new_figure(6, 4)
    axes = figure.add_subplot()
    for index, (name, costs) in enumerate(series.items()):
        axes.errorbar(
            [cost.clicks for cost in costs],
            [100 * cost.values.mean() for cost in costs],
            [100 * cost.values.std(ddof=1) if len(cost.values) > 1 else 0 for cost in costs],
            color=COLORS[index % len(COLORS)],
            marker=MARKERS[index % len(MARKERS)],
            capsize=4,
            label=plain(name),
        )
    axes.set_xlabel('clicks in a training video (mean)')
    axes.set_ylabel(f'{plain(title)} (%), mean ± standard deviation')
    axes.set_xlim(left=-0.2)
    axes.grid(color=GRID_COLOR)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, loc='lower left', bbox_to_anchor=(0, 1), ncols=len(series))
    return figure
