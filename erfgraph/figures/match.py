"""`match_figure`: sizes of a data set's objects, class by class, under the levels' fields."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.cells import COLOURS
from erfgraph.figures.given import Given, finished, panel_axes, width_of
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.tasks.match_results import ClassMatch, ObjectMatch

MOST_CLASSES = 12
BINS_PER_OCTAVE = 3
COVERED, UNCOVERED = "#9aa3ad", style.ERF_COLOUR
_SIZES = {"area": "√(width × height)", "height": "height", "width": "width"}

# inches
LEFT, RIGHT, PAD = 1.35, 0.85, 0.1
WIDTH = 6.6
# pages on which names and numbers do not stand beside the histograms
NARROW_PAGE, NARROW_LEFT, NARROW_RIGHT = 4.6, 1.0, 0.2
LEVEL, CLASS, BETWEEN = 0.24, 0.62, 0.1
XLABEL, LEGEND = 0.42, 0.42


def match_figure(
    match: ObjectMatch,
    *,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the sizes of objects of each class under the fields of the levels.

    Above, a line per level: a bar over the sizes that it suits, its effective (filled) and
    theoretical (hollow) side. Below, a histogram per class on the same logarithmic axis, the
    objects that no level covers stacked on top in red. Of more than twelve classes the most
    frequent eleven are drawn, and the others together.

    Parameters
    ----------
    match : ObjectMatch
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : sequence of Axes, optional
        Draw alone, into these axes of your own figure, the levels, and the histogram of each
        class.
    title : str, optional
        Default: the network; in given axes none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If `match` is none, the figure is too small, or `ax` is not one for the levels and one
        a class.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv3p1*4 max2 conv3p1*4", input_shape=(64, 64))
    >>> objects = eg.ObjectSizes([4, 10, 40], [4, 10, 40])
    >>> figure = match_figure(eg.match_objects(net, objects, ["conv4", "conv8"]))
    >>> [axes.get_label() for axes in figure.axes]
    ['levels', 'object']
    """
    if not isinstance(match, ObjectMatch):
        raise InputError(f"match: got {match!r}, wanted an ObjectMatch (see match_objects)")
    if ax is not None:
        shown = _shown(match)
        axes = panel_axes(ax, ["levels", *(name for name, _ in shown)], figure)
        _draw_panels(axes, match, shown)
        for each, (name, _) in zip(axes[1:], shown, strict=True):
            each.set_ylabel("\n".join(_lines(name)), parse_math=False)
        return finished(axes, title, _handles())
    with style.paper_style():
        return single._whole(_draw(figure, match, title))


def _draw(figure: AnyFigure | None, match: ObjectMatch, title: str | None) -> AnyFigure:
    shown = _shown(match)
    levels = len(match.levels) * grown(LEVEL) + 0.1
    width = style.page_width(figure, WIDTH)
    narrow = figure is None and width < NARROW_PAGE
    # a narrow page has the names of classes and their numbers above the histograms
    left, right = (NARROW_LEFT, NARROW_RIGHT) if narrow else (grown(LEFT), grown(RIGHT))
    over = line() if narrow else 0.0
    head = wrapped(title if title is not None else match.network or "network", width, 9, bold=True)
    foot = _foot(match, width - 0.3)
    legend = grown(LEGEND) + room_for([str(h.get_label()) for h in _handles()], width)
    below = PAD + len(foot) * line() + legend + grown(XLABEL)
    above = len(head) * line() + PAD + 0.08
    fixed = below + levels + len(shown) * (BETWEEN + over) + above
    smallest = (left + right + 1.5, fixed + len(shown) * 0.3)
    figure = page(figure, width, fixed + len(shown) * CLASS, smallest)
    full, high = style.size_of(figure)
    each = (high - fixed) / len(shown)
    span = full - left - right
    top = high - above - levels
    axes = [place(figure, left, top, span, levels, label="levels")]
    for name, _ in shown:
        top -= BETWEEN + over + each
        axes.append(place(figure, left, top, span, each, label=name))
    _draw_panels(axes, match, shown, beside=not narrow)
    for one, (name, rows) in zip(axes[1:], shown, strict=True):
        if narrow:
            _write_above(one, name, ", ".join(_numbers(match, rows)), span, left - 0.15)
        else:
            _write_name(one, name)
    _frame(figure, head, foot)
    return figure


def _draw_panels(
    axes: Sequence[Axes],
    match: ObjectMatch,
    shown: list[tuple[str, np.ndarray]],
    *,
    beside: bool = True,
) -> None:
    """The levels, and a histogram a class below them."""
    limits = _limits(match)
    _levels(axes[0], match, limits)
    for one, (_, rows) in zip(axes[1:], shown, strict=True):
        _histogram(one, match, rows, _edges(limits))
        if beside:
            _write_beside(one, "\n".join(_numbers(match, rows)).replace(" unc", "\nunc"))
        _axis(one, limits, last=one is axes[-1])
    size = _SIZES[match.size]
    texts = (f"size of objects and fields, {size} (pixels of the input)", f"{size} (pixels)")
    axes[-1].set_xlabel(style.fitting(width_of(axes[-1]) + 0.4, 8, *texts))


# --- what is shown ------------------------------------------------------------------------


def _shown(match: ObjectMatch) -> list[tuple[str, np.ndarray]]:
    """Names of classes with which objects are theirs; the rare ones together."""
    classes = np.asarray(match.objects.classes)
    there = [i for i, one in enumerate(match.classes) if one.count]
    kept = there
    if len(there) > MOST_CLASSES:
        often = sorted(there, key=lambda i: -match.classes[i].count)
        kept = sorted(often[: MOST_CLASSES - 1])
    shown = [(match.classes[i].name, classes == i) for i in kept]
    if len(kept) < len(there):
        shown.append((f"{len(there) - len(kept)} other classes", ~np.isin(classes, kept)))
    return shown


def _limits(match: ObjectMatch) -> tuple[float, float]:
    """Ends of the axis: all objects and fields."""
    ends = [*match.total.quantiles, *(x for level in match.levels for x in (level.erf, level.trf))]
    ends += [level.high for level in match.levels]
    ends += [level.low for level in match.levels]
    there = [x for x in ends if x > 0]
    return min(there) / 1.25, max(there) * 1.25


def _edges(limits: tuple[float, float]) -> np.ndarray:
    """Edges of equal bins on the logarithmic axis."""
    low, high = np.log2(limits)
    n = max(1, round((high - low) * BINS_PER_OCTAVE))
    return np.asarray(2 ** np.linspace(low, high, n + 1))


# --- drawing ------------------------------------------------------------------------------


def _levels(axes: Axes, match: ObjectMatch, limits: tuple[float, float]) -> None:
    for y, level in enumerate(match.levels):
        colour = COLOURS[y % len(COLOURS)]
        low = max(level.low, limits[0])  # a level may suit sizes from 0
        axes.plot(
            [low, level.high], [y, y], color=colour, alpha=0.35, lw=7, solid_capstyle="butt",
            label=f"suits {level.name}",
        )  # fmt: skip
        for kind, x, marker, face in (
            ("ERF", level.erf, "s", colour),
            ("TRF", level.trf, "D", "white"),
        ):
            axes.plot(
                [x], [y], marker, color=colour, ms=4.8, mfc=face, label=f"{kind} {level.name}"
            )
    axes.set_ylim(len(match.levels) - 0.5, -0.6)
    axes.set_yticks(range(len(match.levels)), [_short(level.name) for level in match.levels])
    axes.tick_params(axis="y", length=0)
    _axis(axes, limits, last=False)


def _histogram(axes: Axes, match: ObjectMatch, rows: np.ndarray, edges: np.ndarray) -> None:
    """Objects per bin; those that no level covers stand on the others."""
    sides, covered = match.sides[rows], match.covered[rows].any(axis=1)
    inside = np.histogram(sides[covered], edges)[0]
    both = np.histogram(sides, edges)[0]
    for y, level in enumerate(match.levels):
        colour = COLOURS[y % len(COLOURS)]
        axes.axvspan(max(level.low, edges[0]), level.high, color=colour, alpha=0.08, lw=0)
        axes.axvline(level.erf, color=colour, lw=0.8, zorder=3, label=f"ERF {level.name}")
        axes.axvline(
            level.trf, color=colour, lw=0.8, ls=style.TRF_DASHES, zorder=3,
            label=f"TRF {level.name}",
        )  # fmt: skip
    axes.stairs(inside, edges, fill=True, color=COVERED, zorder=2, label="covered")
    axes.stairs(
        both, edges, baseline=inside, fill=True, color=UNCOVERED, zorder=2, label="uncovered"
    )
    axes.set_ylim(0, 1.12 * both.max())
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True, prune="lower"))
    axes.yaxis.set_major_formatter(FuncFormatter(_count))


def _numbers(match: ObjectMatch, rows: np.ndarray) -> list[str]:
    """How many objects there are, and how many of them no level covers."""
    left = 1 - match.covered[rows].any(axis=1).mean()
    return [f"{int(rows.sum()):,}", f"{wording.percent(float(left))} uncovered"]


def _write_beside(axes: Axes, text: str) -> None:
    """The numbers of a class at the right of its histogram."""
    axes.text(
        1.015, 0.5, text, transform=axes.transAxes, ha="left", va="center",
        fontsize=style.small(6.5), color="#333333",
    )  # fmt: skip


def _write_above(axes: Axes, name: str, numbers: str, span: float, before: float) -> None:
    """The name of a class, from so many inches before, and its numbers above its histogram."""
    room = span + before - style.text_width(f"{numbers}   ", 7)
    for text, ha, x, shift in (
        (style.shortened(name, room, 7), "left", 0.0, -72 * before),
        (numbers, "right", 1.0, 0.0),
    ):
        axes.annotate(
            text, (x, 1.0), (shift, 2), xycoords="axes fraction", textcoords="offset points",
            ha=ha, va="bottom", fontsize=7 * style.letters(), parse_math=False,
            color=style.DARK if ha == "left" else "#333333",
        )  # fmt: skip


def _write_name(axes: Axes, name: str) -> None:
    """The name of a class at the left of its histogram."""
    axes.text(
        -0.085,
        0.5,
        "\n".join(_lines(name)),
        transform=axes.transAxes,
        ha="right",
        va="center",
        fontsize=7.5 * style.letters(),
        parse_math=False,  # names come from files
    )


def _axis(axes: Axes, limits: tuple[float, float], *, last: bool) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(*limits)
    axes.xaxis.set_major_locator(LogLocator(2, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelbottom=last)
    axes.spines[["top", "right"]].set_visible(False)


def _count(value: float, _: Any) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _lines(name: str) -> list[str]:
    return textwrap.wrap(name, 16, max_lines=3, placeholder="…") or [""]


def _short(name: str, most: int = 16) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


# --- texts --------------------------------------------------------------------------------


def _foot(match: ObjectMatch, width: float) -> list[str]:
    low, high = match.fit
    total: ClassMatch = match.total
    about = (
        f"{total.count:,} objects, {wording.percent(total.uncovered)} covered by no level; a "
        f"level suits sizes from {low:g} to {high:g} times its ERF side; resize: {match.resize}; "
        f"measure: {wording.noun(match.measure)}"
    )
    return wrapped(about, width, 7)


def _frame(figure: AnyFigure, head: list[str], foot: list[str]) -> None:
    _, high = style.size_of(figure)
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    legend_below(figure, _handles(), PAD + len(foot) * line() + 0.12)
    if isinstance(figure, Figure):
        figure.set_label(" ".join(head))


def _handles() -> list[Any]:
    dark = style.DARK
    return [
        Line2D([], [], color=dark, marker="s", ms=5, lw=1, label="ERF side"),
        Line2D([], [], color=dark, lw=7, alpha=0.3, label="suits"),
        Line2D(
            [], [], color=dark, marker="D", ms=4.5, mfc="white", lw=1, ls=style.TRF_DASHES,
            label="TRF side",
        ),
        Patch(color=COVERED, label="objects covered by a level"),
        Patch(color=UNCOVERED, label="covered by no level"),
    ]  # fmt: skip
