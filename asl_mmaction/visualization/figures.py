"""Figures without pyplot: no display, no window, no state shared between callers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.writing import replaced

DPI = 110
FORMATS = ('.png', '.pdf', '.svg')
TRUTH_COLOR = '#263f5c'
CLS_COLOR = '#c0392b'
START_COLOR = '#2874a6'
END_COLOR = '#1e8449'
GRID_COLOR = '#d5d8dc'


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, drawn by Agg, that lays itself out."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def plain(name: str) -> str:
    """A name as text of a figure: between two dollars would be a formula.

    A file name need not be valid Unicode, which fonts take alone.
    """
    return name.encode('utf-8', 'backslashreplace').decode().replace('$', r'\$')


def add_legend(
    figure: Figure, lines: Iterable[Line2D], *, below: bool, columns: int, font: float
) -> None:
    """Each label once, above or below the panels."""
    handles = {str(line.get_label()): line for line in lines}
    figure.legend(
        handles=list(handles.values()),
        loc='outside lower center' if below else 'outside upper center',
        ncols=min(max(len(handles), 1), columns),
        frameon=False,
        fontsize=font,
    )


def save_figure(figure: Figure, path: str | os.PathLike) -> Path:
    """Write a figure; a file of that name is replaced only once the new one is complete.

    Args:
        figure: what :func:`draw_timeline` or :func:`draw_gaussians` returned.
        path: ends in ``.png``, ``.pdf`` or ``.svg``; missing folders are made.

    Raises:
        ValueMistake: another extension.
    """
    path = Path(path)
    form = path.suffix.lower()
    if form not in FORMATS:
        raise ValueMistake(
            f'expected a picture name that ends in {", ".join(FORMATS)} but got {path}'
        )
    # Text stays text, which can be searched and edited; the same figure gives the same bytes.
    settings: dict[Any, Any] = {
        'svg.fonttype': 'none',
        'svg.hashsalt': 'asl_mmaction',
        'pdf.fonttype': 42,
    }
    dates = {'.pdf': {'CreationDate': None}, '.svg': {'Date': None}}
    with replaced(path) as part, rc_context(settings):
        figure.savefig(part, format=form[1:], metadata=dates.get(form))
    return path
