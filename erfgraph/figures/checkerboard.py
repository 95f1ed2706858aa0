"""`checkerboard_figure`: how unevenly transposed layers spread paths over their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, tiles
from erfgraph.figures.given import Given, finished, panel_axes, square, width_of
from erfgraph.figures.style import AnyFigure
from erfgraph.figures.tiles import Tile
from erfgraph.shape import Box
from erfgraph.tasks.segmentation import Checkerboard

MOST_SHOWN = 48  # units of an axis; of larger maps the middle
PERIODS = 4  # of the pattern that are shown where there are no counts
BARS = 0.9  # inches: height of the bars of one axis
MOST_NUMBERS, LONGEST = 13, 3  # units of an axis, and digits, up to which counts are written
LABEL = "paths into the unit,\nshare of the most"


def checkerboard_figure(
    found: Checkerboard | Sequence[Checkerboard],
    *,
    names: Sequence[str] | None = None,
    cmap: Any = style.DEFAULT_CMAP,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how many paths from the input lead into the units of a map, and their period.

    One panel each, on one scale: the count over the largest far from any border. With counts
    (the default of `erfgraph.checkerboard`) the units of the map are shown, of large ones those
    in the middle; without, some periods of the pattern. Of three axes the middle plane is
    shown. One period is framed where the pattern is uneven.

    Parameters
    ----------
    found : Checkerboard or sequence of Checkerboard
        One to nine, all of one or all of several axes.
    names : sequence of str, optional
        Above the panels; default the layers' names.
    cmap : str or Colormap, optional
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes or sequence of Axes, optional
        Draw the counts alone into these axes of your own figure, one a panel, without a colour
        bar: ``figure.colorbar(ax.images[0], ax=ax, label=ax.images[0].get_label())`` makes one.
    title : str, optional
        Above all panels; in given axes that of the first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are none or too many, `names` are not as many, the figure is too small, or
        `ax` is not one a panel.
    NameLookupError
        If there is no such colour map.

    Examples
    --------
    >>> import erfgraph as eg
    >>> texts = ("deconv3s2", "deconv4s2")
    >>> found = [eg.checkerboard(eg.load(text, (6, 6))) for text in texts]
    >>> figure = checkerboard_figure(found, names=texts)
    >>> [text.get_text() for text in figure.texts[1::2]]
    ['contrast 0.6, period 2', 'even away from the border']
    """
    boards = tiles.checked(
        "found", found, Checkerboard, "erfgraph.checkerboard", lambda b: len(b.shape)
    )
    said = [b.layer for b in boards] if names is None else list(names)
    if len(said) != len(boards):
        raise InputError(f"names: got {len(said)} for {len(boards)} panels")
    colours = style.colour_map(cmap)
    if ax is not None:
        axes = panel_axes(ax, said, figure)
        for each, board in zip(axes, boards, strict=True):
            draw_checkerboard(each, board, view_of(board), colours)
            if each.images:
                square(each)
        return finished(axes, title, _handles(boards), said)
    with style.paper_style():
        return single._whole(_draw(figure, boards, said, colours, title))


def _draw(
    figure: AnyFigure | None,
    boards: list[Checkerboard],
    names: list[str],
    cmap: Any,
    title: str | None,
) -> AnyFigure:
    views = [view_of(b) for b in boards]
    panels = [
        Tile(name, _foot(b), view[-2:]) for name, b, view in zip(names, boards, views, strict=True)
    ]
    flat = panels[0].flat
    figure, axes, bar = tiles.lay_out(
        figure, panels, title, _handles(boards), strip=BARS, bar=not flat
    )
    for each, board, view in zip(axes, boards, views, strict=True):
        draw_checkerboard(each, board, view, cmap)
    if bar is not None:
        made = figure.colorbar(ScalarMappable(Normalize(0, 1), cmap), cax=bar)
        made.set_label(LABEL)
        made.outline.set_linewidth(0.6)
        if made.solids is not None:
            made.solids.set_edgecolor("face")
    tiles.legend(figure, _handles(boards))
    tiles.labelled(figure, title, panels)
    return figure


def _handles(boards: Sequence[Checkerboard]) -> list[Patch]:
    if not any(b.contrast for b in boards):
        return []
    return [Patch(fill=False, edgecolor=tiles.PERIOD_COLOUR, lw=1.3, label="a period")]


def _foot(board: Checkerboard) -> str:
    if not board.contrast:
        return "even away from the border"
    return f"contrast {board.contrast:.3g}, period {tiles.dimensions(board.period)}"


def view_of(board: Checkerboard) -> Box:
    """The units that are shown: the middle of the map, or some periods of the pattern."""
    view = []
    for n, period in zip(board.shape, board.period, strict=True):
        if board.counts is None:
            view.append((0, min(n, max(PERIODS * period, 8), MOST_SHOWN)))
        else:
            start = max(0, (n - MOST_SHOWN) // 2)
            view.append((start, min(n, start + MOST_SHOWN)))
    return tuple(view)


def counts_in(board: Checkerboard, view: Box) -> np.ndarray:
    """Paths into the units of a view, exact."""
    if board.counts is not None:
        return board.counts[tuple(slice(a, b) for a, b in view)]
    index = [np.arange(a, b) % p for (a, b), p in zip(view, board.period, strict=True)]
    return np.asarray(board.pattern[np.ix_(*index)])


def draw_checkerboard(axes: Axes, board: Checkerboard, view: Box, cmap: Any) -> None:
    """Counts over the largest as colours (bars for one axis), and the frame of a period.

    Parameters
    ----------
    axes : Axes
    board : Checkerboard
    view : box
        (start, stop) of every axis of the map.
    cmap : Colormap
    """
    counts = counts_in(board, view)
    plane = tiles.middle_plane(counts, counts.shape[0] // 2)
    most = max(int(board.pattern.max()), int(plane.max()), 1)
    # Python's division: correctly rounded for integers of any size
    share = np.array([int(c) / most for c in plane.flat]).reshape(plane.shape)
    shown = view[-2:]
    letters = [f"{letter} (units)" for letter in "yx"[-len(shown) :]]
    (x0, x1) = shown[-1]
    if len(shown) == 1:
        edges = np.arange(x0, x1 + 1) - 0.5
        axes.stairs(share, edges, fill=True, color=style.PROFILE_COLOUR, label="counts")
        axes.set_ylim(0, 1.08)
        axes.set_ylabel(LABEL, fontsize=7 * style.letters())
        axes.spines[["top", "right"]].set_visible(False)
    else:
        y0, y1 = shown[0]
        axes.imshow(
            share,
            cmap=cmap,
            vmin=0,
            vmax=1,
            extent=(x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5),
            aspect="auto",
            interpolation="nearest",
            zorder=1,
            label=LABEL,
        )
        _write(axes, plane, share, shown, cmap)
    if board.contrast:
        period = board.period[-2:]
        cell = tiles.period_cell(shown, [0] * len(shown), period)
        tiles.draw_period(axes, cell, shown)
    tiles.set_axes(axes, shown, letters)


def _write(axes: Axes, plane: np.ndarray, share: np.ndarray, view: Box, cmap: Any) -> None:
    """The counts on the units of a small map."""
    if max(plane.shape) > MOST_NUMBERS or len(str(int(plane.max()))) > LONGEST:
        return
    (y0, _), (x0, _) = view
    size = style.small(5)
    unit = 72 * width_of(axes) / plane.shape[1]  # points
    if size > 5 and size * max(1.2, 0.66 * len(str(int(plane.max())))) > unit:
        return
    for (row, column), count in np.ndenumerate(plane):
        red, green, blue, _ = cmap(share[row, column])
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(
            x0 + column,
            y0 + row,
            str(int(count)),
            fontsize=size,
            ha="center",
            va="center_baseline",
            color="white" if dark else "black",
            zorder=3,
        )
