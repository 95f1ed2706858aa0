"""Looks of the figures, made for print, and placing things on the page in inches."""

from __future__ import annotations

import contextlib
import functools
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator

from erfgraph.errors import InputError, unknown_name
from erfgraph.figures.papers import paper_of

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
TOO_NEAR = 0.16  # a colour's distance to the line's in RGB, each from 0 to 1
DARK = "#222222"
PALE = "#d4d4d4"
DEFAULT_CMAP = "viridis"
MOST_LINES = 3  # of one text: a network's notation may be long
LINE = 0.165  # inches from one line of text to the next
HINTED = 1.07  # width of a text on a screen over that of its letters, at most
EDGE = 0.05  # inches that stay free at the edge of a page
JOINT = "\N{NO-BREAK SPACE}"  # between words that stay on one line
# numbers and what they count, positions, sizes
_TOGETHER = re.compile(
    r"\d %( of (the )?TRF)?|\d (px|units)|\d × (?=\d)"
    r"|\b(area|sides?|every|period|IoU|[ET]RF) (≥ )?(?=\d)"
    r"|\((\w+, )+\w+\)( = \(.*?\))?|\bx = \d"
)
_PARTS = re.compile(rf"[^_./{JOINT}-]*[_./{JOINT}-]+|[^_./{JOINT}-]+")


@dataclass(frozen=True)
class _Page:
    """The page that figures are made for: its width in inches, the size of its letters."""

    width: float | None = None
    letters: float = 1.0


_FREE = _Page()
_page: ContextVar[_Page] = ContextVar("page", default=_FREE)


@contextlib.contextmanager
def paper_style(paper: str | None = None, columns: int = 1) -> Iterator[None]:
    """The settings of the figures, as a context; for a paper, figures of its width.

    Parameters
    ----------
    paper : str, optional
        A conference or journal: ``"aaai"``, ``"acl"``, ``"acm"``, ``"cvpr"`` (also ``"iccv"``,
        ``"wacv"``), ``"eccv"`` (also ``"lncs"``), ``"elsevier"``, ``"iclr"``, ``"icml"``,
        ``"ieee"``, ``"nature"``, ``"neurips"``. The figures of this package that are made
        inside are as wide as its columns, with letters as it wants them, and so are new
        figures of your own. Default: inside another such context its paper; else each figure
        as wide as suits it.
    columns : int, optional
        How many columns a figure spans.

    Yields
    ------
    None
        Inside, matplotlib's settings are those of erfgraph's figures.

    Raises
    ------
    NameLookupError
        If the paper is unknown.
    InputError
        If it has not so many columns.

    Examples
    --------
    >>> import erfgraph as eg
    >>> from erfgraph.figures import importance_figure
    >>> imp = eg.importance(eg.load("resnet18"))
    >>> with paper_style("cvpr", columns=1):
    ...     figure = importance_figure(imp)
    >>> print(figure.get_figwidth())
    3.25
    """
    chosen = _page.get() if paper is None else _Page(*paper_of(paper, columns))
    settings = dict(RC)
    for key in (k for k in RC if k.endswith("size")):
        settings[key] = RC[key] * chosen.letters
    if chosen.width is not None:
        settings["figure.figsize"] = (chosen.width, chosen.width / 1.618)
    token = _page.set(chosen)
    try:
        with matplotlib.rc_context(settings):
            yield
    finally:
        _page.reset(token)


def letters() -> float:
    """Size of letters on the page, over that of the figures elsewhere."""
    return _page.get().letters


def small(size: float) -> float:
    """Points of letters that are small elsewhere: papers with larger ones want none small."""
    return size * letters() if letters() <= 1 else max(size, RC["xtick.labelsize"]) * letters()


def grown(inches: float) -> float:
    """Room for letters: more where the paper wants larger ones."""
    return inches * max(1.0, letters())


def line() -> float:
    """Inches from one line of text to the next on the page."""
    return grown(LINE)


def page_width(figure: AnyFigure | None, usual: float) -> float:
    """Width in inches of a figure that is given, else of the paper's columns, else the usual."""
    if isinstance(figure, Figure | SubFigure):
        return size_of(figure)[0]
    return _page.get().width or usual


def per_row(most: int, around: float, each: float, figure: AnyFigure | None = None) -> int:
    """How many panels of a width fit beside each other; `most` where the page is free."""
    width = page_width(figure, float("inf"))
    return most if width == float("inf") else max(1, min(most, int((width - around) / each)))


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


def erf_colour(cmap: Any) -> str:
    """Colour of an effective field's outline: black where the map has reds of its own."""
    shown = colour_map(cmap)(np.linspace(0, 1, 64))[:, :3]
    apart = np.linalg.norm(shown - to_rgb(ERF_COLOUR), axis=1)
    return ERF_COLOUR if float(apart.min()) > TOO_NEAR else "#000000"


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
        If what is given is no figure, or smaller than `smallest` (inches), or the paper's
        columns are narrower.
    """
    if figure is None:
        if _page.get().width is not None and width < smallest[0] - 1e-9:
            raise InputError(
                f"columns: got a width of {width:.2f} inches, wanted at least {smallest[0]:.2f} "
                "for this figure: take more columns"
            )
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


def listed() -> float:
    """Inches that a list's signs take before its texts."""
    return 3.6 * 7 * letters() / 72


def list_room(width: float) -> float:
    """Inches that a text of a list may take on a page of a width."""
    return (width - 2 * EDGE - listed()) / HINTED


def list_handles(figure: AnyFigure, handles: Sequence[Any], left: float, top: float) -> None:
    """A legend of one column without a frame's room, its corner given in inches.

    Further left where its texts would leave the page.
    """
    full, high = size_of(figure)
    widest = max(text_width(str(handle.get_label()), 7) for handle in handles)
    left = max(EDGE, min(left, full - EDGE - listed() - HINTED * widest))
    figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(left / full, top / high),
        ncols=1,
        fontsize=7 * letters(),
        handlelength=2.6,
        labelspacing=0.25,
        borderaxespad=0,
        borderpad=0.1,
    )


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Inches that a line of text takes; its size in points, before the page's letters."""
    return _width(text, bold) * size * letters() / 72 or 1e-3


@functools.lru_cache(4096)
def _width(text: str, bold: bool) -> float:
    """Width of a line of text over its font size."""
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=RC["font.family"], size=1, weight="bold" if bold else "normal")
    with warnings.catch_warnings():  # signs that the font has not: drawn as boxes
        warnings.simplefilter("ignore")
        return float(text_to_path.get_text_width_height_descent(text, font, False)[0])


def positions(axis: Axis, most: int) -> None:
    """Numbers of an axis of units: whole ones, at most so many, two where there are two units."""
    units = round(abs(float(np.diff(axis.get_view_interval())[0])))
    few = min(2, max(1, units))
    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=few, steps=[1, 2, 5, 10]))


def fitting(width: float, size: float, *texts: str) -> str:
    """The first of several texts, ever shorter, that fits a width, or the last."""
    return next((text for text in texts if text_width(text, size) <= width), texts[-1])


def shortened(text: str, width: float, size: float) -> str:
    """A text whose end is left out where it is wider than there is room; not all of it."""
    if text_width(text, size) <= width:
        return text
    kept = [n for n in range(3, len(text)) if text_width(f"{text[:n]}…", size) <= width]
    return f"{text[: max(kept, default=3)]}…"


def wrapped(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """Text in at most three lines, on a paper six, that fit a width; font size in points."""
    # lines are not all as wide as the text is on average
    columns = max(12, int(0.94 * width * len(text) / text_width(text, size, bold=bold)))
    most = MOST_LINES if _page.get().width is None else 2 * MOST_LINES
    kept = _TOGETHER.sub(lambda found: found.group().replace(" ", JOINT), text)
    filled = _Filler(columns, break_on_hyphens=False, max_lines=most, placeholder=" …").wrap(kept)
    return [line.replace(JOINT, " ").rstrip() for line in filled] or [""]


class _Filler(textwrap.TextWrapper):
    """Words that are longer than a line are broken where a name has a sign, if it has one."""

    def _split(self, text: str) -> list[str]:
        return [
            part
            for word in super()._split(text)
            for part in (_PARTS.findall(word) if len(word) > self.width else [word])
        ]


def write_lines(
    figure: AnyFigure, lines: list[str], top: float, size: float = 7.5, **options: Any
) -> None:
    """Centred lines of text, the first one's upper edge `top` inches above the bottom."""
    _, high = size_of(figure)
    for i, text in enumerate(lines):
        y = (top - i * line()) / high
        figure.text(0.5, y, text, ha="center", va="top", fontsize=size * letters(), **options)
