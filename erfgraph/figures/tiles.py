"""Panels of units beside each other, each with its heading, axes and a line or two below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from erfgraph.errors import InputError
from erfgraph.figures import style
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.shape import Box

PAD, LEFT, RIGHT, BETWEEN = 0.1, 0.58, 0.16, 0.5  # inches, as all lengths here
XLABEL, ABOVE, LEGEND = 0.42, 0.06, 0.28
SIDE, ONLY, STRIP = 1.7, 2.5, 0.42  # of a panel among several, alone, and of one axis
LEAST = 0.9  # side of a panel on a narrow page
PER_ROW, MOST = 3, 9
BAR, BAR_TEXT = 0.12, 0.6
NARROWEST, WIDEST = 4.0, 7.1
PERIOD_COLOUR = style.ERF_COLOUR
FOOT_TEXT, HEAD_TEXT = 7.0, 7.5  # points

Shaped = TypeVar("Shaped")


def checked(
    what: str, given: Any, kind: type[Shaped], maker: str, axes: Callable[[Shaped], int]
) -> list[Shaped]:
    """What is to be shown as a list of one to nine of one kind, of one axis or of several.

    Parameters
    ----------
    what : str
        What the argument is called.
    given : object or sequence of object
    kind : type
    maker : str
        What makes such a thing, for the message.
    axes : callable
        How many axes one has.

    Raises
    ------
    InputError
    """
    shown = [given] if isinstance(given, kind) else list(given)
    if not all(isinstance(one, kind) for one in shown):
        raise InputError(f"{what}: got {given!r}, wanted {kind.__name__} (see {maker})")
    if not 1 <= len(shown) <= MOST:
        raise InputError(f"{what}: got {len(shown)}, wanted 1 to {MOST}")
    if len({axes(one) == 1 for one in shown}) > 1:
        raise InputError(f"{what}: got some of one axis and some of several, wanted one kind")
    return shown


@dataclass(frozen=True, slots=True)
class Tile:
    """One panel: what is above and below it, and which units it shows.

    Attributes
    ----------
    head, foot : str
    view : box
        (start, stop) per axis that is shown, one or two.
    """

    head: str
    foot: str
    view: Box

    @property
    def flat(self) -> bool:
        """Whether one axis is shown."""
        return len(self.view) == 1


def lay_out(
    figure: AnyFigure | None,
    tiles: Sequence[Tile],
    title: str | None,
    handles: Sequence[Any],
    *,
    strip: float,
    bar: bool,
) -> tuple[AnyFigure, list[Axes], Axes | None]:
    """A page with axes for every panel, and for a colour bar at the right.

    Parameters
    ----------
    figure : Figure or SubFigure or None
    tiles : sequence of Tile
    title : str or None
    handles : sequence of Artist
        What the legend at the bottom will explain.
    strip : float
        Height in inches of a panel of one axis.
    bar : bool

    Returns
    -------
    (figure, list of Axes, Axes or None)
        The axes of the panels, and of the colour bar.
    """
    beside = BAR + grown(BAR_TEXT) + 0.1 if bar else 0.0
    fit = style.per_row(
        PER_ROW, grown(LEFT) + RIGHT + beside - grown(BETWEEN), LEAST + grown(BETWEEN), figure
    )
    per_row = 1 if any(tile.flat for tile in tiles) else min(len(tiles), fit)
    rows = [tiles[i : i + per_row] for i in range(0, len(tiles), per_row)]
    around = grown(LEFT) + RIGHT + beside + (per_row - 1) * grown(BETWEEN)
    side = ONLY if len(tiles) == 1 else SIDE
    wide = 4.6 if per_row == 1 and tiles[0].flat else side * per_row
    width = style.page_width(figure, min(max(NARROWEST, around + wide), WIDEST))
    room = (width - around) / per_row  # of one panel
    # up to the next one's text, and not beyond the page
    text = room + 2 * (RIGHT - 0.03) if per_row > 1 else width - 2 * PAD
    heads = [[wrapped(t.head, text, HEAD_TEXT, bold=True) for t in row] for row in rows]
    feet = [[wrapped(t.foot, text, FOOT_TEXT) for t in row] for row in rows]
    top_lines = wrapped(title, width - 2 * PAD, 9, bold=True) if title else []
    gap = 0.06 if title else 0.0
    above = [max(map(len, row)) * line() + ABOVE for row in heads]
    below = [grown(XLABEL) + max(map(len, row)) * line() + 0.08 for row in feet]
    legend = grown(LEGEND) + room_for([str(h.get_label()) for h in handles], width)
    fixed = 2 * PAD + line() * len(top_lines) + gap + sum(above) + sum(below) + legend
    most = [max(_tall(t, min(room, side), strip) for t in row) for row in rows]
    figure = page(figure, width, fixed + sum(most), (around + LEAST * per_row, fixed + 0.5))
    full, high = style.size_of(figure)
    shrink = min(1.0, (high - fixed) / sum(most))
    write_lines(figure, top_lines, high - PAD, 9, fontweight="bold")
    y = high - PAD - line() * len(top_lines) - gap
    found: list[Axes] = []
    for row, tall, head, foot, over, under in zip(
        rows, most, heads, feet, above, below, strict=True
    ):
        y -= over + tall * shrink
        for i, tile in enumerate(row):
            h = _tall(tile, min(room, side), strip) * shrink
            w = _wide(tile, min(room, side) * shrink, room)
            middle = grown(LEFT) + i * (room + grown(BETWEEN)) + room / 2
            axes = place(figure, middle - w / 2, y, w, h)
            found.append(axes)
            lines = [(head[i], y + h + ABOVE + len(head[i]) * line(), HEAD_TEXT, "bold")]
            lines += [(foot[i], y - grown(XLABEL), FOOT_TEXT, "normal")]
            for texts, at, size, weight in lines:
                _column(figure, texts, middle / full, at, size, fontweight=weight)
        y -= under
    place_of_bar = None
    if bar:
        tall = min(2.0, sum(most) * shrink)
        bottom = found[0].get_position().y1 * high - tall
        at = full - RIGHT - grown(BAR_TEXT) - BAR
        place_of_bar = place(figure, at, bottom, BAR, tall)
    return figure, found, place_of_bar


def _sides(tile: Tile) -> tuple[int, int]:
    (y0, y1), (x0, x1) = tile.view
    return y1 - y0, x1 - x0


def _tall(tile: Tile, side: float, strip: float) -> float:
    if tile.flat:
        return strip
    rows, columns = _sides(tile)
    return max(0.4, side * rows / max(rows, columns))


def _wide(tile: Tile, side: float, room: float) -> float:
    if tile.flat:
        return room
    rows, columns = _sides(tile)
    return max(0.4, side * columns / max(rows, columns))


def _column(
    figure: AnyFigure, lines: Sequence[str], x: float, top: float, size: float, **options: Any
) -> None:
    """Lines of text below each other, centred at a share of the figure's width."""
    _, high = style.size_of(figure)
    for i, text in enumerate(lines):
        y = (top - i * line()) / high
        figure.text(x, y, text, ha="center", va="top", fontsize=size * style.letters(), **options)


def set_axes(axes: Axes, view: Box, labels: Sequence[str]) -> None:
    """Limits and labels in units, pixel centres at whole numbers."""
    x0, x1 = view[-1]
    axes.set_xlim(x0 - 0.5, x1 - 0.5)
    axes.set_xlabel(labels[-1])
    shown: list[Any] = [axes.xaxis]
    if len(view) == 2:
        y0, y1 = view[0]
        axes.set_ylim(y1 - 0.5, y0 - 0.5)
        axes.set_ylabel(labels[0])
        shown.append(axes.yaxis)
    for axis in shown:
        style.positions(axis, 5)


def draw_period(axes: Axes, cell: Box, view: Box) -> None:
    """A frame around the units of one period; of one axis over the full height."""
    (x0, x1) = cell[-1]
    y0, y1 = cell[0] if len(view) == 2 else (0.5, 0.5)
    low, tall = (y0 - 0.5, y1 - y0) if len(view) == 2 else (0.0, 1.0)
    axes.add_patch(
        Rectangle(
            (x0 - 0.5, low),
            x1 - x0,
            tall,
            transform=axes.transData if len(view) == 2 else axes.get_xaxis_transform(),
            fill=False,
            edgecolor=PERIOD_COLOUR,
            lw=1.3,
            path_effects=style.outlined("white", 2.6),
            zorder=4,
            label="period",
            clip_on=False,
        )
    )


def period_cell(view: Box, origin: Sequence[int], period: Sequence[int | None]) -> Box:
    """One period near the middle of a view, whole if the view has room for it.

    Parameters
    ----------
    view : box
    origin : sequence of int
        Per axis a position at which a period starts.
    period : sequence of int or None
        None takes the whole axis.
    """
    cell = []
    for (start, stop), first, length in zip(view, origin, period, strict=True):
        if length is None or length >= stop - start:
            cell.append((start, stop))
            continue
        at = first + ((start + stop - length) // 2 - first) // length * length
        at += length if at < start else 0
        cell.append((at, at + length))
    return tuple(cell)


def middle_plane(values: np.ndarray, at: int) -> np.ndarray:
    """Of three axes the plane across the first at a position; else all."""
    return values[at] if values.ndim == 3 else values


def dimensions(values: Sequence[int | None]) -> str:
    """Lengths per axis: ``2×3``, one number where all agree."""
    texts = ["none" if v is None else str(v) for v in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def legend(figure: AnyFigure, handles: Sequence[Any]) -> None:
    """Explanations at the bottom."""
    legend_below(figure, handles, PAD)


def labelled(figure: AnyFigure, title: str | None, tiles: Sequence[Tile]) -> None:
    """The label that becomes a file's title."""
    if isinstance(figure, Figure):
        figure.set_label(title or " | ".join(tile.head for tile in tiles))
