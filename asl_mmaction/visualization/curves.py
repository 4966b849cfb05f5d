"""Curves of trainings: one panel for each number, one line for each training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from asl_mmaction.visualization.figures import GRID_COLOR, new_figure, plain

#: Told apart in black and white too, by their lines; Okabe and Ito's colours.
COLORS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')
LINES = ('-', '--', '-.', ':')


class Curve(NamedTuple):
    """One number of one training, or of several seeds.

    Attributes:
        epochs: (n,) rising.
        values: (seeds, n).
    """

    epochs: np.ndarray
    values: np.ndarray


def draw_curves(
    panels: Mapping[str, Mapping[str, Curve]], *, percent: Sequence[str] = ()
) -> Figure:
    """Draw numbers over epochs; of several seeds the mean, in a band from lowest to highest.

    Args:
        panels: title of the panel -> name of the training -> curve.
        percent: titles whose values are in [0, 1] and shown in percent.
    """
    figure = new_figure(1 + 4.5 * len(panels), 3.6)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for index, (title, curves) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), index + 1)
        scale = 100 if title in percent else 1
        for name, curve in curves.items():
            number = names.index(name)
            color = COLORS[number % len(COLORS)]
            values = scale * curve.values
            label = plain(name) + (f' ({len(values)} seeds)' if len(values) > 1 else '')
            single = 'o' if len(curve.epochs) == 1 else None
            axes.plot(
                curve.epochs,
                values.mean(axis=0),
                LINES[number // len(COLORS) % len(LINES)] if single is None else single,
                color=color,
                label=label,
                clip_on=False,  # at the top of the axis half of the line would be gone
            )
            if len(values) > 1:
                low, high = values.min(axis=0), values.max(axis=0)
                axes.fill_between(curve.epochs, low, high, color=color, alpha=0.2, linewidth=0)
        if title in percent:
            axes.set_ylim(top=min(axes.get_ylim()[1], 100.0))
        axes.set_title(plain(title) + (' (%)' if title in percent else ''))
        axes.set_xlabel('epoch')
        axes.grid(color=GRID_COLOR)
        axes.set_axisbelow(True)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False)
    return figure
