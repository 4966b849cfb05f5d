"""The learned class-level Gaussians: their values, and one small plot per class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.visualization.figures import (
    CLS_COLOR,
    END_COLOR,
    GRID_COLOR,
    START_COLOR,
    TRUTH_COLOR,
    add_legend,
    new_figure,
    plain,
)

# Pale enough for the marks on them to be seen.
ROW_COLORS = LinearSegmentedColormap.from_list('rows', ('white', '#8d99a6'))
LOC_COLORS = (START_COLOR, END_COLOR)
POSITION = 'position within the instance, d (fraction of its duration)'
MAX_PANELS = 12
ROWS_PER_COLUMN = 75


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
    """p_cls, p_sot and p_eot over the position within an instance.

    Up to :data:`MAX_PANELS` classes have a panel each. More than that have a row each, a strip of
    p_cls that is the darker the more a frame matters, on one page: sorted by where p_cls is
    highest, the earliest first.

    Args:
        gaussians: what the evaluator learned.
        planted: class name -> position ``d`` of the moment that is known to matter; marked in the
            panels or rows of those classes.

    Raises:
        ValueMistake: ``planted`` names a class that ``gaussians`` does not have.
    """
    planted = dict(planted or {})
    unknown = sorted(set(planted) - set(gaussians.classes))
    if unknown:
        raise ValueMistake(f'expected planted classes among {gaussians.classes} but got {unknown}')
    if len(gaussians.classes) > MAX_PANELS:
        return _draw_rows(gaussians, planted)
    return _draw_panels(gaussians, planted)


def _draw_panels(gaussians: ClassGaussians, planted: Mapping[str, float]) -> Figure:
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
    figure.supxlabel(POSITION, fontsize=10)
    figure.supylabel('sensitivity p', fontsize=10)
    lines = [line for panel in panels for line in panel.get_lines()]
    add_legend(figure, lines, below=False, columns=9, font=10)
    return figure


def _draw_rows(gaussians: ClassGaussians, planted: Mapping[str, float]) -> Figure:
    d = np.linspace(-0.5, 0.5, 101)
    # Without p_cls, what is learned of the borders.
    kind = 'cls' if gaussians.mu_cls.shape[1] else 'loc'
    curves = getattr(gaussians, kind)(d).sum(axis=1)  # (K, 101)
    order = np.lexsort((curves.sum(axis=1), curves.argmax(axis=1)))
    columns = math.ceil(len(order) / ROWS_PER_COLUMN)
    rows = math.ceil(len(order) / columns)
    figure = new_figure(max(3.4 * columns + 0.6, 6.0), 0.135 * rows + 1.2)
    panels = figure.subplots(1, columns, squeeze=False).ravel()
    for panel, start in zip(panels, range(0, len(order), rows), strict=True):
        shown = order[start : start + rows]
        names = [gaussians.classes[index] for index in shown]
        image = panel.imshow(
            curves[shown],
            aspect='auto',
            cmap=ROW_COLORS,
            vmin=curves.min(),
            vmax=curves.max(),
            extent=(-0.5, 0.5, len(shown) - 0.5, -0.5),
            interpolation='nearest',
        )
        places = np.arange(len(shown))
        for number, name in enumerate(_loc_names(gaussians, r'\mu')):
            color = LOC_COLORS[number % 2]
            _mark(panel, gaussians.mu_loc[shown, number], places, '|', color, name)
        for number in range(gaussians.mu_cls.shape[1]):
            _mark(panel, gaussians.mu_cls[shown, number], places, '|', CLS_COLOR, r'$\mu_{cls}$')
        known = [place for place, name in enumerate(names) if name in planted]
        if known:
            moments = np.array([planted[names[place]] for place in known])
            _mark(panel, moments, np.array(known), 'D', TRUTH_COLOR, 'planted moment')
        panel.set_yticks(places, [plain(name) for name in names], fontsize=7)
        panel.tick_params(axis='y', length=0)
        panel.set_xlim(-0.5, 0.5)
        panel.set_ylim(rows - 0.5, -0.5)  # rows of one height in all columns
        panel.set_xticks([-0.5, 0, 0.5], ['start', 'middle', 'end'], fontsize=8)
        panel.spines[:].set_visible(False)
    figure.supxlabel(POSITION, fontsize=9)
    bar = figure.colorbar(image, ax=panels[-1], pad=0.02, fraction=0.05, shrink=0.5)
    bar.set_label(f'$p_{{{kind}}}$', fontsize=9)
    bar.ax.tick_params(labelsize=7)
    lines = [line for panel in panels for line in panel.get_lines()]
    add_legend(figure, lines, below=False, columns=9, font=10)
    return figure


def _mark(panel: Axes, x: np.ndarray, y: np.ndarray, marker: str, color: str, name: str) -> None:
    size = 3 if marker == 'D' else 6
    panel.plot(x, y, marker, color=color, ms=size, mew=1.6, label=name, ls='')


def _loc_names(gaussians: ClassGaussians, letter: str = 'p') -> list[str]:
    if gaussians.mu_loc.shape[1] == 2:
        return [f'${letter}_{{sot}}$ (start)', f'${letter}_{{eot}}$ (end)']
    return [f'${letter}_{{loc}}$ (boundaries)'] * gaussians.mu_loc.shape[1]


def _draw_panel(panel: Axes, gaussians: ClassGaussians, index: int, planted: float | None) -> None:
    d = np.linspace(-0.5, 0.5, 201)
    if planted is not None:
        panel.axvline(planted, color=TRUTH_COLOR, lw=2.2, ls=(0, (4, 2)), label='planted moment')
    for curve in gaussians.cls(d)[index]:
        panel.plot(d, curve, color=CLS_COLOR, lw=2.2, label='$p_{cls}$ (class)')
    loc = gaussians.loc(d)[index]
    for number, (curve, name) in enumerate(zip(loc, _loc_names(gaussians), strict=True)):
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
