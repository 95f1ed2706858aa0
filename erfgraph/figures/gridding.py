"""`gridding_figure`: which units of its field a dilated stack uses, and how the holes repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from erfgraph.figures import map as single
from erfgraph.figures import style, tiles, wording
from erfgraph.figures.given import Given, finished, panel_axes, square
from erfgraph.figures.style import AnyFigure
from erfgraph.figures.tiles import Tile
from erfgraph.importance_map import ImportanceMap
from erfgraph.shape import Box
from erfgraph.tasks.segmentation import Gridding, gridding

USED, HOLE = style.PROFILE_COLOUR, "#e4e4e4"
MOST_LINES = 40  # units of an axis up to which each is set apart by a line


def gridding_figure(
    maps: ImportanceMap | Sequence[ImportanceMap],
    *,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the units of the input that a unit's field uses, and the holes between them.

    One panel a map: the box of its theoretical field, dark where a path leads to the unit. One
    period of the holes, as `erfgraph.gridding` finds it, is framed. Of three axes the plane
    through the largest importance is shown.

    Parameters
    ----------
    maps : ImportanceMap or sequence of ImportanceMap
        One to nine, all of one or all of several axes.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes or sequence of Axes, optional
        Draw the units alone into these axes of your own figure, one a map.
    title : str, optional
        Above all panels; each has its network's name in any case. In given axes that of the
        first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there are none or too many, the figure is too small, or `ax` is not one a map.

    Examples
    --------
    >>> import erfgraph as eg
    >>> nets = [eg.load(text, (17, 17)) for text in ("conv3d2*3", "conv3 conv3d2 conv3d5")]
    >>> figure = gridding_figure([eg.importance(net) for net in nets])
    >>> [text.get_text() for text in figure.texts if "%" in text.get_text()]
    ['29 % of 13×13 units used, period 2', '100 % of 17×17 units used']
    """
    shown = tiles.checked(
        "maps", maps, ImportanceMap, "erfgraph.importance", lambda m: len(m.shape)
    )
    found = [gridding(m) for m in shown]
    if ax is not None:
        heads = [_head(m) for m in shown]
        axes = panel_axes(ax, heads, figure)
        for each, m, g in zip(axes, shown, found, strict=True):
            view = _view(m, g)
            draw_gridding(each, m, g, view)
            if len(view) == 2:
                square(each)
        return finished(axes, title, _handles(found), heads)
    with style.paper_style():
        return single._whole(_draw(figure, shown, found, title))


def _draw(
    figure: AnyFigure | None, shown: list[ImportanceMap], found: list[Gridding], title: str | None
) -> AnyFigure:
    panels = [Tile(_head(m), _foot(g), _view(m, g)) for m, g in zip(shown, found, strict=True)]
    figure, axes, _ = tiles.lay_out(
        figure, panels, title, _handles(found), strip=tiles.STRIP, bar=False
    )
    for each, m, g, panel in zip(axes, shown, found, panels, strict=True):
        draw_gridding(each, m, g, panel.view)
    tiles.legend(figure, _handles(found))
    tiles.labelled(figure, title, panels)
    return figure


def _handles(found: Sequence[Gridding]) -> list[Patch]:
    handles = [
        Patch(facecolor=USED, label="a path leads to the unit"),
        Patch(facecolor=HOLE, edgecolor="#999999", lw=0.5, label="hole"),
    ]
    if any(g.holes for g in found):
        handles.append(Patch(fill=False, edgecolor=tiles.PERIOD_COLOUR, lw=1.3, label="a period"))
    return handles


def _head(m: ImportanceMap) -> str:
    return m.network or "network"


def _foot(g: Gridding) -> str:
    if g.box is None:
        return "no path leads to the unit"
    size = "×".join(str(b - a) for a, b in g.box)
    said = f"{wording.percent(g.share_used)} of {size} units used"
    if not g.holes:
        return said
    if None in g.period:
        return f"{said}, on every {tiles.dimensions(g.lattice)}"
    return f"{said}, period {tiles.dimensions(g.period)}"


def _view(m: ImportanceMap, g: Gridding) -> Box:
    """What is shown: the field's box, and a unit around it."""
    box = g.box or tuple((0, n) for n in m.shape)
    return tuple((a - 1, b + 1) for a, b in box[-2:])


def draw_gridding(axes: Axes, m: ImportanceMap, g: Gridding, view: Box) -> None:
    """The units of a field's box, used or not, and the frame of a period.

    Parameters
    ----------
    axes : Axes
    m : ImportanceMap
    g : Gridding
        Of that map.
    view : box
        (start, stop) of the last one or two axes.
    """
    unit = "pixels" if m.of == "input" else "units"
    names = [f"{letter} ({unit})" for letter in "yx"[-len(view) :]]
    if g.box is not None:
        inside = m.trf.mask[tuple(slice(a, b) for a, b in g.box)]
        plane = tiles.middle_plane(inside, m.peak.position[0] - g.box[0][0])
        if plane.ndim == 1:
            plane = plane[None]
        (x0, x1) = g.box[-1]
        y0, y1 = g.box[-2] if len(view) == 2 else (0, 1)
        # as colours, so that a field larger than its place on the page is averaged
        image = np.where(plane[..., None], to_rgba(USED), to_rgba(HOLE))
        axes.imshow(
            image, extent=(x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5), aspect="auto", zorder=1
        )
        _separate(axes, g.box[-2:])
        if g.holes:
            period = g.period[-2:] if None not in g.period else g.lattice[-2:]
            origin = [start for start, _ in g.box][-2:]
            tiles.draw_period(axes, tiles.period_cell(g.box[-2:], origin, period), view)
    tiles.set_axes(axes, view, names)
    if len(view) == 1:
        axes.set_ylim(0.5, -0.5)
        axes.set_yticks([])


def _separate(axes: Axes, box: Box) -> None:
    """White lines between the units of a small field."""
    if any(b - a > MOST_LINES for a, b in box):
        return
    (x0, x1) = box[-1]
    axes.vlines(
        np.arange(x0 + 1, x1) - 0.5,
        (box[0][0] if len(box) == 2 else 0) - 0.5,
        (box[0][1] if len(box) == 2 else 1) - 0.5,
        color="white",
        lw=0.4,
        zorder=2,
    )
    if len(box) == 2:
        y0, y1 = box[0]
        axes.hlines(np.arange(y0 + 1, y1) - 0.5, x0 - 0.5, x1 - 0.5, color="white", lw=0.4)
