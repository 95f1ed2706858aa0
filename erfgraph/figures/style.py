"""Looks of the figures, made for print, and placing things on the page in inches."""

from __future__ import annotations

import textwrap
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from erfgraph.errors import InputError, unknown_name

AnyFigure = Figure | SubFigure

RC: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same figure everywhere
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "figure.dpi": 150.0,
    "savefig.dpi": 300.0,
    "pdf.fonttype": 42,  # TrueType: text stays text, as publishers ask
    "svg.fonttype": "none",
    "svg.hashsalt": "erfgraph",
    "axes.unicode_minus": True,
    "text.usetex": False,
}

TRF_COLOUR = "#ffffff"
ERF_COLOUR = "#ff3d1f"
TRF_DASHES = (0, (4.0, 2.0))
PROFILE_COLOUR = "#3b528b"  # from viridis
DARK = "#222222"
PALE = "#d4d4d4"
DEFAULT_CMAP = "viridis"
MOST_LINES = 3  # of one text: a network's notation may be long
LINE = 0.165  # inches from one line of text to the next


def paper_style() -> AbstractContextManager[None]:
    """The settings of the figures, as a context for figures of your own.

    Returns
    -------
    context manager
        Inside it matplotlib's settings are those of erfgraph's figures.

    Examples
    --------
    >>> import matplotlib
    >>> with paper_style():
    ...     matplotlib.rcParams["pdf.fonttype"]
    42
    """
    return matplotlib.rc_context(RC)


def outlined(colour: str = "black", width: float = 2.0) -> list[Any]:
    """A path effect that keeps a bright line visible on a bright ground."""
    return [patheffects.withStroke(linewidth=width, foreground=colour)]


def colour_map(name: Any) -> Any:
    """The colour map of a name.

    Raises
    ------
    NameLookupError
        If matplotlib knows no such map.
    """
    if not isinstance(name, str):
        return name
    if name not in matplotlib.colormaps:
        raise unknown_name("cmap", name, matplotlib.colormaps)
    return matplotlib.colormaps[name]


def size_of(figure: AnyFigure) -> tuple[float, float]:
    """Width and height in inches; a sub-figure has no figsize of its own."""
    dpi = figure.dpi
    return figure.bbox.width / dpi, figure.bbox.height / dpi


def page(
    figure: AnyFigure | None, width: float, height: float, smallest: tuple[float, float]
) -> AnyFigure:
    """The figure that is given, or a new one of that size.

    Raises
    ------
    InputError
        If what is given is no figure, or smaller than `smallest` (inches).
    """
    if figure is None:
        return Figure(figsize=(width, height))
    if not isinstance(figure, Figure | SubFigure):
        raise InputError(f"figure: got {figure!r}, wanted a matplotlib Figure")
    got = size_of(figure)
    if got[0] < smallest[0] or got[1] < smallest[1]:
        raise InputError(
            f"figure: got {got[0]:.1f} x {got[1]:.1f} inches, "
            f"wanted at least {smallest[0]:.1f} x {smallest[1]:.1f}"
        )
    return figure


def place(
    figure: AnyFigure, left: float, bottom: float, width: float, height: float, **options: Any
) -> Axes:
    """New axes at a place given in inches from the lower left corner."""
    full, high = size_of(figure)
    return figure.add_axes((left / full, bottom / high, width / full, height / high), **options)


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Text in at most three lines that fit a width in inches, for a font size in points."""
    columns = max(12, int(width * 72 / ((0.7 if bold else 0.58) * size)))
    lines = textwrap.wrap(
        text, columns, break_on_hyphens=False, max_lines=MOST_LINES, placeholder=" …"
    )
    return lines or [""]


def write_lines(
    figure: AnyFigure, lines: list[str], top: float, size: float = 7.5, **options: Any
) -> None:
    """Centred lines of text, the first one's upper edge `top` inches above the bottom."""
    _, high = size_of(figure)
    for i, line in enumerate(lines):
        y = (top - i * LINE) / high
        figure.text(0.5, y, line, ha="center", va="top", fontsize=size, **options)
