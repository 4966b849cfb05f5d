"""The learned class-level Gaussians: their values, and one small plot per class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.visualization.figures import (
    CLS_COLOR,
    END_COLOR,
    GRID_COLOR,
    START_COLOR,
    TRUTH_COLOR,
    new_figure,
    plain,
)

LOC_COLORS = (START_COLOR, END_COLOR)
LOC_NAMES = ('$p_{sot}$ (start)', '$p_{eot}$ (end)')


@dataclass(frozen=True)
class ClassGaussians:
    """Parameters of the class-level sensitivity, in units of the instance's duration.

    A position ``d`` runs over [-0.5, 0.5]: start, centre and end of an instance are -0.5, 0, 0.5.

    Args:
        classes: names of the K classes.
        mu_cls: (K, n) centres of the Gaussians for classification; n may be 0.
        sigma_cls: (K, n) their widths, clamped as the loss uses them.
        variance_cls: (K, n), so that a Gaussian is exp(-(d - mu)^2 / (2 variance)).
        mu_loc: (K, m) centres of those for localization, start before end.
        sigma_loc: (K, m) their widths.
        variance_loc: (K, m).
    """

    classes: tuple[str, ...]
    mu_cls: np.ndarray
    sigma_cls: np.ndarray
    variance_cls: np.ndarray
    mu_loc: np.ndarray
    sigma_loc: np.ndarray
    variance_loc: np.ndarray

    def __post_init__(self) -> None:
        for name in ('cls', 'loc'):
            shapes = [getattr(self, f'{key}_{name}').shape for key in ('mu', 'sigma', 'variance')]
            if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][0] != len(self.classes):
                raise ValueMistake(
                    f'expected mu_{name}, sigma_{name} and variance_{name} of shape '
                    f'({len(self.classes)}, n) for {len(self.classes)} classes but got '
                    f'{", ".join(map(str, shapes))}'
                )

    def cls(self, d: np.ndarray) -> np.ndarray:
        """Each Gaussian for classification at the positions ``d``: (K, n, len(d))."""
        return _gaussians(d, self.mu_cls, self.variance_cls)

    def loc(self, d: np.ndarray) -> np.ndarray:
        """Each Gaussian for localization at the positions ``d``: (K, m, len(d))."""
        return _gaussians(d, self.mu_loc, self.variance_loc)


def draw_gaussians(gaussians: ClassGaussians, planted: Mapping[str, float] | None = None) -> Figure:
    """One panel per class: p_cls, p_sot and p_eot over the position within an instance.

    Args:
        gaussians: what the evaluator learned.
        planted: class name -> position ``d`` of the moment that is known to matter; drawn as a
            vertical line in the panels of those classes.

    Raises:
        ValueMistake: ``planted`` names a class that ``gaussians`` does not have.
    """
    planted = dict(planted or {})
    unknown = sorted(set(planted) - set(gaussians.classes))
    if unknown:
        raise ValueMistake(f'expected planted classes among {gaussians.classes} but got {unknown}')
    count = len(gaussians.classes)
    rows = max(math.ceil(count / 4), 1)
    columns = max(math.ceil(count / rows), 1)
    figure = new_figure(3.1 * columns, 2.4 * rows + 0.9)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for index, (panel, name) in enumerate(zip(panels, gaussians.classes, strict=False)):
        _draw_panel(panel, gaussians, index, planted.get(name))
        # sharex hides the tick labels of all rows but the last, whose last panels may be empty.
        panel.tick_params(labelbottom=index + columns >= count)
    for panel in panels[count:]:
        panel.set_axis_off()
    figure.supxlabel('position within the instance, d (fraction of its duration)', fontsize=10)
    figure.supylabel('sensitivity p', fontsize=10)
    handles = {line.get_label(): line for panel in panels for line in panel.get_lines()}
    figure.legend(
        handles.values(),
        handles.keys(),
        loc='outside upper center',
        ncols=max(len(handles), 1),
        frameon=False,
        fontsize=10,
    )
    return figure


def _draw_panel(panel: Axes, gaussians: ClassGaussians, index: int, planted: float | None) -> None:
    d = np.linspace(-0.5, 0.5, 201)
    if planted is not None:
        panel.axvline(planted, color=TRUTH_COLOR, lw=2.2, ls=(0, (4, 2)), label='planted moment')
    for curve in gaussians.cls(d)[index]:
        panel.plot(d, curve, color=CLS_COLOR, lw=2.2, label='$p_{cls}$ (class)')
    loc = gaussians.loc(d)[index]
    names = LOC_NAMES if len(loc) == 2 else ('$p_{loc}$ (boundaries)',) * len(loc)
    for number, (curve, name) in enumerate(zip(loc, names, strict=True)):
        panel.plot(d, curve, color=LOC_COLORS[number % 2], lw=1.6, label=name)
    panel.set_title(_panel_title(gaussians, index), fontsize=9)
    panel.set_xlim(-0.5, 0.5)
    panel.set_ylim(0, 1.05)
    panel.set_xticks([-0.5, -0.25, 0, 0.25, 0.5], ['-0.5', '', '0', '', '0.5'])
    panel.set_yticks([0, 0.5, 1], ['0', '0.5', '1'])
    panel.tick_params(labelsize=8)
    panel.grid(color=GRID_COLOR, lw=0.6)


def _panel_title(gaussians: ClassGaussians, index: int) -> str:
    name = plain(gaussians.classes[index])
    if gaussians.mu_cls.shape[1] != 1:
        return name
    mu, sigma = gaussians.mu_cls[index, 0], gaussians.sigma_cls[index, 0]
    mu = round(mu, 2) + 0.0  # not -0.00
    return rf'{name}: $\mu$ {mu:+.2f}, $\sigma$ {sigma:.2f}'


def _gaussians(d: np.ndarray, mu: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return np.exp(-((np.asarray(d) - mu[..., None]) ** 2) / (2 * variance[..., None]))
