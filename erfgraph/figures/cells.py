"""`cells_figure`: what the cells of an output grid see, drawn over the image."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.given import Given, finished, panel_axes, square
from erfgraph.figures.legends import legend_below, room_for
from erfgraph.figures.photo import check_photo
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.shape import Box
from erfgraph.tasks.detection import Cell, Cells

# nine hues that stay apart for colour-blind readers: Paul Tol's "muted", its pale ones darkened
COLOURS = (
    "#332288",
    "#cc6677",
    "#117733",
    "#b8860b",
    "#aa4499",
    "#2f9fd0",
    "#882255",
    "#44aa99",
    "#7f7f1a",
)
MOST = len(COLOURS)
GROUND = "#f3f3f1"

# inches
LEFT, RIGHT, PAD = 0.62, 0.12, 0.1
MAIN, SMALL = 3.3, 0.91
NARROW_PAGE = 4.2
BETWEEN, OVER = 0.1, 0.19
XLABEL, LEGEND = 0.42, 0.26
ROW = 0.2  # one cell of a network of one axis


def cells_figure(
    cells: Cells,
    image: Any = None,
    *,
    chosen: Sequence[Any] | None = None,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw cells of an output grid: centre, theoretical and effective box of each.

    At the left all centres, and the boxes of up to nine cells in a colour each, as far as half
    an image beyond the image; at the right each of these cells by itself, inside the image.

    Parameters
    ----------
    cells : Cells
        Of a network of one or two axes.
    image : array of shape (rows, columns) or (rows, columns, 3 or 4), optional
        A photo to draw on, stretched over the input: uint8, or floats from 0 to 1. Default a
        blank canvas. Two axes only.
    chosen : sequence of positions, optional
        The cells whose boxes are drawn, at most nine; default all of a 3x3 grid, of a larger
        one its corners, the middles of its sides and its centre.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes or sequence of Axes, optional
        Draw alone, into these axes of your own figure, the image with all cells; or that, and
        each chosen cell by itself, where there are as many more (two axes only).
    title : str, optional
        Default: the network; in given axes none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the network has three axes, the image is none, too many cells are chosen, the figure
        is too small, or `ax` is neither one nor one more than cells are chosen.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.cells(eg.load("conv5s4p2 conv3p1", input_shape=(12, 12)))
    >>> figure = cells_figure(found)
    >>> len(figure.axes)  # all cells on one image, and nine images with one cell each
    10
    """
    if not isinstance(cells, Cells):
        raise InputError(f"cells: got {cells!r}, wanted Cells (see erfgraph.cells)")
    ndim = len(cells.shape)
    if ndim == 3:
        raise InputError("cells: of a network of three axes; only one or two can be drawn")
    if image is not None and ndim == 1:
        raise InputError("image: the network has one axis, so there is no image to draw on")
    photo = None if image is None else check_photo(image)
    picked, columns = _pick(cells, chosen)
    if ax is not None:
        return _into(ax, figure, cells, photo, picked, title)
    with style.paper_style():
        if ndim == 1:
            return single._whole(_rows(figure, cells, picked, title))
        return single._whole(_grid(figure, cells, photo, picked, columns, title))


def _into(
    ax: Given,
    figure: AnyFigure | None,
    cells: Cells,
    photo: np.ndarray | None,
    picked: list[Cell],
    title: str | None,
) -> Figure:
    """The image with all cells, and each by itself where there are axes for it."""
    panels = ["all cells", *(f"cell {wording.position(cell.unit)}" for cell in picked)]
    if len(cells.shape) == 1 or np.asarray(ax, dtype=object).size == 1:
        panels = panels[:1]
    axes = panel_axes(ax, panels, figure)
    if len(cells.shape) == 1:
        draw_rows(axes[0], cells, picked)
    else:
        for each in axes:
            square(each)
        draw_cells(axes[0], cells, photo, picked)
    for each, cell, colour in zip(axes[1:], picked, COLOURS, strict=False):
        draw_cell(each, cells, photo, cell, colour)
    return finished(axes, title, _handles(), panels)


# --- which cells --------------------------------------------------------------------------


def _pick(cells: Cells, chosen: Sequence[Any] | None) -> tuple[list[Cell], int]:
    """The cells whose boxes are drawn, and how many of them stand in a row."""
    if chosen is not None:
        picked = [cells[at] for at in chosen]
        if not 1 <= len(picked) <= MOST:
            raise InputError(f"chosen: got {len(picked)} cells, wanted 1 to {MOST}")
        return picked, min(3, len(picked))
    most = MOST if len(cells.shape) == 1 else 3
    axes = [
        sorted({round(i * (n - 1) / (most - 1)) for i in range(most)} if n > most else range(n))
        for n in cells.shape
    ]
    return [cells[at] for at in itertools.product(*axes)], len(axes[-1])


# --- two axes -----------------------------------------------------------------------------


def _grid(
    figure: AnyFigure | None,
    cells: Cells,
    photo: np.ndarray | None,
    picked: list[Cell],
    columns: int,
    title: str | None,
) -> AnyFigure:
    lines = -(-len(picked) // columns)
    (y0, y1), (x0, x1) = _view(cells, picked)
    beside = grown(LEFT) + 3 * BETWEEN + (columns - 1) * BETWEEN + RIGHT
    w, h = single.image_sides((y1 - y0, x1 - x0), MAIN, MAIN)
    small = single.image_sides((cells.input_shape[0], cells.input_shape[1]), SMALL, SMALL)
    width = style.page_width(figure, max(4.6, beside + w + columns * small[0]))
    # a narrow page has the single cells below, else beside
    stacked = figure is None and width < NARROW_PAGE
    head, foot = _texts(cells, picked, width - 0.3, title)
    legend = grown(LEGEND) + room_for([str(h.get_label()) for h in _handles()], width)
    below = PAD + len(foot) * line() + legend + (0.0 if stacked else grown(XLABEL))
    above = len(head) * line() + PAD + 0.06
    if stacked:
        room = width - grown(LEFT) - RIGHT
        scale = room / max(w, columns * small[0] + (columns - 1) * BETWEEN)
        w, h, small = w * scale, h * scale, (small[0] * scale * 0.9, small[1] * scale * 0.9)
        tall = h + grown(XLABEL) + lines * (small[1] + grown(OVER))
    else:
        wide = w + columns * small[0]
        fit = min(1.0, max(0.1, (width - beside) / wide))
        tall = max(fit * h, lines * (fit * small[1] + grown(OVER)))
    figure = page(figure, width, below + tall + above, (2.8, below + 1.5 + above))
    full, high = style.size_of(figure)
    if stacked:
        left, low = grown(LEFT) + (room - w) / 2, high - above - h
        right = grown(LEFT) + (room - columns * small[0] - (columns - 1) * BETWEEN) / 2
        top = low - grown(XLABEL)
    else:
        room = high - below - above
        fit = min(fit, room / h, (room - lines * grown(OVER)) / (lines * small[1]))
        w, h, small = w * fit, h * fit, (small[0] * fit, small[1] * fit)
        tall = max(h, lines * (small[1] + grown(OVER)))
        left = grown(LEFT) + (full - beside - w - columns * small[0]) / 2
        low = below + (tall - h) / 2
        right, top = left + w + 3 * BETWEEN, below + (tall + lines * (small[1] + grown(OVER))) / 2
    main = place(figure, left, low, w, h, label="cells")
    draw_cells(main, cells, photo, picked)
    for i, (cell, colour) in enumerate(zip(picked, COLOURS, strict=False)):
        row, column = divmod(i, columns)
        at = (right + column * (small[0] + BETWEEN), top - (row + 1) * (small[1] + grown(OVER)))
        axes = place(figure, *at, *small, label=f"cell {wording.position(cell.unit)}")
        draw_cell(axes, cells, photo, cell, colour)
        axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
        axes.set_title(
            wording.position(cell.unit), pad=2, fontsize=7 * style.letters(), color=colour
        )
    _frame(figure, head, foot, title)
    return figure


def draw_cells(axes: Axes, cells: Cells, photo: np.ndarray | None, picked: list[Cell]) -> None:
    """All centres, and the boxes of some cells, over the image."""
    _canvas(axes, cells, photo, _view(cells, picked))
    _centres(axes, cells, picked)
    for cell, colour in zip(picked, COLOURS, strict=False):
        _boxes(axes, cell, colour, cell.box)


def draw_cell(axes: Axes, cells: Cells, photo: np.ndarray | None, cell: Cell, colour: str) -> None:
    """One cell, as far as it lies in the image."""
    _canvas(axes, cells, photo, tuple((0, n) for n in cells.input_shape))
    _boxes(axes, cell, colour, cell.trf, filled=True)
    _centre(axes, cell, colour, 4)


def _view(cells: Cells, picked: list[Cell]) -> tuple[tuple[int, int], ...]:
    """The image and the boxes, as far as they reach half an image beyond it."""
    view = []
    for axis, n in enumerate(cells.input_shape):
        ends = [cell.box[axis] for cell in picked if cell.box]
        low = max(min([0, *(e[0] for e in ends)]), -(n // 2))
        high = min(max([n, *(e[1] for e in ends)]), n + n // 2)
        room = -(-n // 50)
        view.append((low - room, high + room))
    return tuple(view)


def _canvas(
    axes: Axes,
    cells: Cells,
    photo: np.ndarray | None,
    view: Sequence[tuple[int, int]],
) -> None:
    """The image, or a blank one, within a view given in pixel edges."""
    rows, columns = cells.input_shape
    axes.add_patch(
        Rectangle(
            (-0.5, -0.5), columns, rows, facecolor=GROUND, edgecolor="#777777", lw=0.8,
            zorder=0, label="image",
        )
    )  # fmt: skip
    if photo is not None:
        axes.imshow(
            photo,
            extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
            cmap="gray",
            vmin=0 if photo.ndim == 2 else None,
            vmax=(255 if photo.dtype == np.uint8 else 1) if photo.ndim == 2 else None,
            alpha=0.8,
            aspect=axes.get_aspect(),
            zorder=0.5,
        )
    (y0, y1), (x0, x1) = view
    axes.set_xlim(x0 - 0.5, x1 - 0.5)
    axes.set_ylim(y1 - 0.5, y0 - 0.5)
    axes.apply_aspect()
    axes.set_xlabel("x (pixels)")
    axes.set_ylabel("y (pixels)")
    for axis in (axes.xaxis, axes.yaxis):
        style.positions(axis, 5)


def _centres(axes: Axes, cells: Cells, picked: list[Cell]) -> None:
    """Centres of all cells as grey dots, those of the chosen in their colours."""
    points = np.array([cell.centre for cell in cells])
    (x0, x1), span = axes.get_xlim(), axes.get_window_extent().width * 72 / axes.figure.dpi
    step = abs(cells.stride[-1]) * span / (x1 - x0)  # points from one centre to the next
    axes.plot(
        points[:, 1],
        points[:, 0],
        "o",
        ms=float(np.clip(0.4 * step, 0.4, 3.0)),
        mew=0,
        color="#555555",
        zorder=4,
        label="centres",
    )
    for cell, colour in zip(picked, COLOURS, strict=False):
        _centre(axes, cell, colour, float(np.clip(0.8 * step, 2.5, 6.0)))


def _centre(axes: Axes, cell: Cell, colour: str, size: float) -> None:
    y, x = cell.centre
    axes.plot(
        [x], [y], "o", ms=size, mfc=colour, mec="white", mew=0.8, zorder=6,
        label=f"centre {wording.position(cell.unit)}",
    )  # fmt: skip


def _boxes(axes: Axes, cell: Cell, colour: str, trf: Box | None, *, filled: bool = False) -> None:
    """The theoretical box dashed, the effective one solid."""
    at = wording.position(cell.unit)
    halo = style.outlined("white", 2.4)
    if trf:
        axes.add_patch(
            Rectangle(
                *_corner(trf), fill=False, edgecolor=colour, lw=0.9, ls=style.TRF_DASHES,
                path_effects=halo, zorder=2, label=f"TRF {at}",
            )
        )  # fmt: skip
    if cell.erf:
        place_, w, h = _corner(cell.erf)
        if filled:
            axes.add_patch(Rectangle(place_, w, h, facecolor=colour, alpha=0.25, lw=0, zorder=2.5))
        axes.add_patch(
            Rectangle(
                place_, w, h, fill=False, edgecolor=colour, lw=1.5, joinstyle="miter",
                path_effects=halo, zorder=3, label=f"ERF {at}",
            )
        )  # fmt: skip


def _corner(box: Box) -> tuple[tuple[float, float], int, int]:
    """Upper left corner, width and height in the image's coordinates."""
    (y0, y1), (x0, x1) = box
    return (x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0


# --- one axis -----------------------------------------------------------------------------


def _rows(
    figure: AnyFigure | None, cells: Cells, picked: list[Cell], title: str | None
) -> AnyFigure:
    """Below each other, a line per cell: theoretical box thin, effective box thick."""
    width = style.page_width(figure, 5.4)
    head, foot = _texts(cells, picked, width - 0.3, title)
    legend = grown(LEGEND) + room_for([str(h.get_label()) for h in _handles()], width)
    below = PAD + len(foot) * line() + legend + grown(XLABEL)
    above = len(head) * line() + PAD + 0.06
    high = len(picked) * grown(ROW) + 0.1
    figure = page(figure, width, below + high + above, (3.0, below + 0.5 + above))
    full, whole = style.size_of(figure)
    axes = place(
        figure, grown(LEFT) + 0.2, below, full - grown(LEFT) - 0.2 - RIGHT, whole - below - above
    )
    axes.set_label("cells")
    draw_rows(axes, cells, picked)
    _frame(figure, head, foot, title)
    return figure


def draw_rows(axes: Axes, cells: Cells, picked: list[Cell]) -> None:
    """A line per cell of a network of one axis."""
    axes.axvspan(-0.5, cells.input_shape[0] - 0.5, color=GROUND, zorder=0, label="image")
    for y, (cell, colour) in enumerate(zip(picked, COLOURS, strict=False)):
        at = wording.position(cell.unit)
        for kind, box, width_, dashes, alpha in (
            ("TRF", cell.box, 1.0, style.TRF_DASHES, 1.0),
            ("ERF", cell.erf, 4.0, "solid", 0.6),
        ):
            if box:
                axes.plot(
                    [box[0][0] - 0.5, box[0][1] - 0.5], [y, y], color=colour, lw=width_,
                    ls=dashes, alpha=alpha, solid_capstyle="butt", label=f"{kind} {at}",
                )  # fmt: skip
        axes.plot(
            [cell.centre[0]], [y], "o", ms=4, mfc=colour, mec="white", mew=0.8, zorder=6,
            label=f"centre {at}",
        )  # fmt: skip
    ((low, high_),) = _view(cells, picked)
    axes.set_xlim(low - 0.5, high_ - 0.5)
    axes.set_ylim(len(picked) - 0.5, -0.5)
    axes.set_yticks(range(len(picked)), [wording.position(cell.unit) for cell in picked])
    axes.set_ylabel("cell")
    axes.set_xlabel("x (pixels)")
    style.positions(axes.xaxis, 8)


# --- texts --------------------------------------------------------------------------------


def _texts(
    cells: Cells, picked: list[Cell], width: float, title: str | None
) -> tuple[list[str], list[str]]:
    """Lines above and below the images."""
    head = wrapped(title if title is not None else cells.network or "network", width, 9, bold=True)
    grid = " × ".join(map(str, cells.shape))
    stride = " × ".join(f"{s:g}" for s in dict.fromkeys(cells.stride))
    shown = "" if len(picked) == len(cells) else f"; boxes of {len(picked)} of {len(cells)} cells"
    sides = list(dict.fromkeys(f"{x:.1f}" for x in sorted(cell.side for cell in cells)))
    ends = f"sides {sides[0]} to {sides[-1]}" if len(sides) > 1 else f"side {sides[0]}"
    about = (
        f"{cells.layer}: {grid} cells, centres {stride} px apart{shown}; measure: "
        f"{wording.noun(cells.measure)}; ERF {ends} px"
    )
    return head, wrapped(about, width, 7)


def _frame(figure: AnyFigure, head: list[str], foot: list[str], title: str | None) -> None:
    _, high = style.size_of(figure)
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    legend_below(figure, _handles(), PAD + len(foot) * line() + 0.07)
    if isinstance(figure, Figure):
        figure.set_label(" ".join(head))


def _handles() -> list[Line2D]:
    dark = style.DARK
    return [
        Line2D([], [], color=dark, lw=1.0, ls=style.TRF_DASHES, label="theoretical field"),
        Line2D([], [], color=dark, lw=1.6, label="effective field"),
        Line2D([], [], color=dark, marker="o", ms=4, ls="", label="centre"),
    ]
