"""`centre_figure`: where the fields of several feature maps are centred, over the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from erfgraph.centre_grid import Centres, centre_grids
from erfgraph.errors import InputError
from erfgraph.figures import map as single
from erfgraph.figures import style, wording
from erfgraph.figures.given import Given, finished, panel_axes, square, width_of
from erfgraph.figures.photo import check_photo
from erfgraph.figures.style import AnyFigure, grown, line, page, place, wrapped, write_lines
from erfgraph.network import FeatureMap, Network

PER_ROW = 4
SIDE = 1.9  # inches: the longer side of one image
LEFT, RIGHT, PAD, BETWEEN = 0.62, 0.15, 0.1, 0.22
XLABEL, ROW = 0.46, 0.32
SHORT, NARROW = 0.3, 1.1  # of an image that is very long, and of the text above one
GROUND = "#f3f3f1"
MOST_VECTOR_DOTS = 20_000  # more are drawn as pixels, also in a PDF
MOST_DOTS = 4_000_000


def centre_figure(
    net: Network,
    layers: Sequence[str | FeatureMap] | None = None,
    image: Any = None,
    *,
    object_size: Any = None,
    figure: AnyFigure | None = None,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the grids of field centres of several feature maps side by side.

    Parameters
    ----------
    net : Network
        Of one or two axes. With one axis the grids stand below each other.
    layers : sequence of str or FeatureMap, optional
        Default one of every spatial shape: what the stages of the network end with.
    image : array of shape (rows, columns) or (rows, columns, 3 or 4), optional
        A photo to draw on, stretched over the input: uint8, or floats from 0 to 1. Default a
        blank canvas. Two axes only.
    object_size : number or sequence of numbers, optional
        Sides of an object: it is outlined in the middle of every image, and each title tells
        the chance that it contains a centre.
    figure : Figure or SubFigure, optional
        An empty one to fill.
    ax : Axes or sequence of Axes, optional
        Draw the grids alone into these axes of your own figure: one a layer, one for all where
        the network has one axis.
    title : str, optional
        Default the network's name; in given axes that of the first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the network has three axes, a layer has too many centres to draw, the image is none,
        the object does not fit into it, the figure is too small, or `ax` is not one a panel.
    NameLookupError
        If there is no such layer.

    Examples
    --------
    >>> import erfgraph as eg
    >>> figure = centre_figure(eg.load("resnet18"), ["layer1", "layer4"])
    >>> [len(axes.lines[0].get_xdata()) for axes in figure.axes]
    [3136, 49]
    """
    grids = centre_grids(net, layers)
    if net.ndim == 3:
        raise InputError("net: has three axes; centres of one or two can be drawn")
    if image is not None and net.ndim == 1:
        raise InputError("image: the network has one axis, so there is no image to draw on")
    for grid in grids:
        if math.prod(grid.shape) > MOST_DOTS:
            raise InputError(
                f"layers: {grid.layer!r} has {math.prod(grid.shape)} centres; "
                f"at most {MOST_DOTS} are drawn"
            )
    photo = None if image is None else check_photo(image)
    chances = [None if object_size is None else g.hit_chance(object_size) for g in grids]
    sides = _sides(object_size, net.ndim)
    name = title if title is not None else f"Centres of the receptive fields of {_name(net)}"
    if ax is not None:
        panels = [g.layer for g in grids] if net.ndim == 2 else ["centres"]
        axes = panel_axes(ax, panels, figure)
        if net.ndim == 1:
            draw_strips(axes[0], grids, chances, sides)
        for each, grid in zip(axes, grids if net.ndim == 2 else (), strict=False):
            square(each)
            draw_centres(each, grid, photo, _view(grids), sides)
        return finished(axes, title, names=panels)
    with style.paper_style():
        if net.ndim == 1:
            return single._whole(_strips(figure, grids, chances, sides, name))
        return single._whole(_images(figure, grids, chances, sides, photo, name))


def _name(net: Network) -> str:
    return net.name or "the network"


def _sides(object_size: Any, ndim: int) -> tuple[float, ...] | None:
    if object_size is None:
        return None
    one = not isinstance(object_size, Sequence)
    return tuple(float(v) for v in ([object_size] * ndim if one else object_size))


def _texts(grid: Centres, chance: float | None, sides: Any) -> list[str]:
    """What is said of one grid."""
    texts = [
        grid.layer,
        f"{' × '.join(map(str, grid.shape))} centres, every {_spacing(grid)} px",
        f"fields of {' × '.join(map(str, grid.size))} px",
    ]
    if chance is not None:
        extent = " × ".join(f"{v:g}" for v in sides)
        texts.append(f"in {wording.percent(chance)} of {extent} px objects")
    return texts


def _lines(grid: Centres, chance: float | None, sides: Any, room: float) -> list[str]:
    """The title of one grid."""
    return [part for text in _texts(grid, chance, sides) for part in wrapped(text, room, 8)]


def _spacing(grid: Centres) -> str:
    texts = [str(s) for s in grid.spacing]
    return texts[0] if len(set(texts)) == 1 else " × ".join(texts)


def _images(
    figure: AnyFigure | None,
    grids: list[Centres],
    chances: list[float | None],
    sides: tuple[float, ...] | None,
    photo: np.ndarray | None,
    title: str,
) -> AnyFigure:
    most = style.per_row(PER_ROW, grown(LEFT) + RIGHT - BETWEEN, BETWEEN + NARROW)
    n_rows = math.ceil(len(grids) / most)
    columns = math.ceil(len(grids) / n_rows)
    view = _view(grids)
    extent = (view[0][1] - view[0][0], view[1][1] - view[1][0])
    around = grown(LEFT) + RIGHT + (columns - 1) * BETWEEN
    room = _fitted(extent, SIDE, SIDE)[0]
    width = max(3.2, around + columns * max(room, NARROW))
    width = style.page_width(figure, width)
    head = wrapped(title, width - 0.3, 9, bold=True) if title else []
    titles = [
        _lines(g, c, sides, (width - around) / columns + BETWEEN - 0.08)
        for g, c in zip(grids, chances, strict=True)
    ]
    over = max(map(len, titles)) * line() + 0.1
    fixed = 2 * PAD + len(head) * line() + n_rows * (over + grown(XLABEL))
    tall = _fitted(extent, max(0.6, min(SIDE, (width - around) / columns)), SIDE)[1]
    figure = page(
        figure, width, fixed + n_rows * tall, (around + columns * 0.6, fixed + n_rows * 0.6)
    )
    full, high = style.size_of(figure)
    cell = (full - around) / columns
    w, h = _fitted(extent, cell, (high - fixed) / n_rows)
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    top = high - PAD - len(head) * line()
    for i, (grid, lines) in enumerate(zip(grids, titles, strict=True)):
        row, column = divmod(i, columns)
        left = grown(LEFT) + column * (cell + BETWEEN) + (cell - w) / 2
        low = top - row * (over + h + grown(XLABEL)) - over - h
        axes = place(figure, left, low, w, h, label=grid.layer)
        draw_centres(axes, grid, photo, view, sides)
        axes.set_title("\n".join(lines), pad=4, linespacing=1.25)
        if column:
            axes.set_ylabel("")
            axes.set_yticklabels([])
    if isinstance(figure, Figure):
        figure.set_label(" ".join(title.split()))
    return figure


def _fitted(extent: tuple[float, float], width: float, high: float) -> tuple[float, float]:
    """Width and height of an image of so many rows and columns within a frame, in inches."""
    unit = min(width / extent[1], high / extent[0])
    return max(SHORT, extent[1] * unit), max(SHORT, extent[0] * unit)


def _view(grids: list[Centres]) -> tuple[tuple[float, float], ...]:
    """The image and every centre, in pixel edges."""
    view = []
    for axis, n in enumerate(grids[0].input_shape):
        coordinates = np.concatenate([g.axes[axis] for g in grids])
        low, high = -0.5, n - 0.5
        if not np.isnan(coordinates).all():
            low = min(low, float(np.nanmin(coordinates)) - 0.5)
            high = max(high, float(np.nanmax(coordinates)) + 0.5)
        room = 0.02 * (high - low)
        view.append((low - room, high + room))
    return tuple(view)


def draw_centres(
    axes: Axes,
    grid: Centres,
    photo: np.ndarray | None,
    view: Any,
    sides: tuple[float, ...] | None,
) -> None:
    """The image, a dot at every centre, and the outline of an object."""
    _canvas(axes, grid, photo, view)
    span = view[1][1] - view[1][0]
    _dots(axes, grid.grid().reshape(-1, 2), min(grid.spacing), 72 * width_of(axes) / span)
    if sides:
        _object(axes, grid, sides)


def _canvas(axes: Axes, grid: Centres, photo: np.ndarray | None, view: Any) -> None:
    rows, columns = grid.input_shape
    frame = Rectangle((-0.5, -0.5), columns, rows, fc=GROUND, ec="#777777", lw=0.8, label="image")
    frame.set_zorder(0)
    axes.add_patch(frame)
    if photo is not None:
        axes.imshow(
            photo,
            extent=(-0.5, columns - 0.5, rows - 0.5, -0.5),
            aspect=axes.get_aspect(),
            cmap="gray",
            zorder=1,
        )
    (y0, y1), (x0, x1) = view
    axes.set_xlim(x0, x1)
    axes.set_ylim(y1, y0)
    axes.apply_aspect()
    axes.set_xlabel("x (pixels)")
    axes.set_ylabel("y (pixels)")
    wide = width_of(axes)
    high = wide * (y1 - y0) / (x1 - x0)
    for axis, inches in ((axes.xaxis, wide), (axes.yaxis, high)):
        most = max(1, min(4, int(inches / 0.35)))
        axis.set_major_locator(MaxNLocator(most, integer=True, steps=[1, 2, 5, 10]))
    axes.spines[:].set_visible(False)


def _dots(axes: Axes, points: np.ndarray, spacing: Any, pixel: float) -> None:
    """One dot a centre, as large as its neighbours leave room; `pixel` is in points."""
    size = float(np.clip(0.5 * float(spacing) * pixel, 0.25, 4.0))
    # a rim keeps dots apart from a photo, where they are large enough to have one
    rim: dict[str, Any] = {"mec": "white", "mew": 0.5} if size > 2.5 else {"mew": 0}
    axes.plot(
        points[:, -1],
        points[:, 0] if points.shape[1] > 1 else np.zeros(len(points)),
        linestyle="none",
        marker="o",
        markersize=size,
        color=style.ERF_COLOUR,
        rasterized=len(points) > MOST_VECTOR_DOTS,
        label="centres",
        clip_on=False,
        zorder=3,
        **rim,
    )


def _object(axes: Axes, grid: Centres, sides: tuple[float, ...]) -> None:
    """An object's outline in the middle of the image."""
    (h, w), (rows, columns) = sides, grid.input_shape
    corner = ((columns - w) // 2 - 0.5, (rows - h) // 2 - 0.5)
    box = Rectangle(corner, w, h, fill=False, ec=style.DARK, lw=0.9, label="object")
    box.set_path_effects(style.outlined("white", 1.9))
    box.set_zorder(4)
    axes.add_patch(box)


def _strips(
    figure: AnyFigure | None,
    grids: list[Centres],
    chances: list[float | None],
    sides: tuple[float, ...] | None,
    title: str,
) -> AnyFigure:
    """Grids of one axis, a line each, the input's extent as a bar behind each."""
    width = style.page_width(figure, 6.4)
    head = wrapped(title, width - 0.3, 9, bold=True) if title else []
    fixed = 2 * PAD + len(head) * line() + grown(XLABEL)
    texts = _strip_texts(grids, chances, sides, width - 0.3 - RIGHT)
    row = 2 * grown(ROW) + 1.5 * (max(map(len, texts)) - 1) * line()
    figure = page(figure, width, fixed + row * len(grids), (3.0, fixed + 0.7 * row * len(grids)))
    full, high = style.size_of(figure)
    axes = place(
        figure, 0.3, grown(XLABEL) + PAD, full - 0.3 - RIGHT, high - fixed, label="centres"
    )
    write_lines(figure, head, high - PAD, 9, fontweight="bold")
    draw_strips(axes, grids, chances, sides)
    if isinstance(figure, Figure):
        figure.set_label(" ".join(title.split()))
    return figure


def _strip_texts(
    grids: list[Centres],
    chances: list[float | None],
    sides: tuple[float, ...] | None,
    width: float,
) -> list[list[str]]:
    """What stands above each line, in lines that fit a width."""
    return [
        wrapped(", ".join(_texts(grid, chance, sides)), width, 7)
        for grid, chance in zip(grids, chances, strict=True)
    ]


def draw_strips(
    axes: Axes,
    grids: list[Centres],
    chances: list[float | None],
    sides: tuple[float, ...] | None,
) -> None:
    """A line a grid, with its numbers above it."""
    (low, stop) = _view(grids)[0]
    axes.set_xlim(low, stop)
    axes.set_ylim(len(grids) - 0.4, -0.6)
    wide = width_of(axes)
    pixel = 72 * wide / (stop - low)
    n = grids[0].input_shape[0]
    texts = ["\n".join(lines) for lines in _strip_texts(grids, chances, sides, wide)]
    for i, (grid, text) in enumerate(zip(grids, texts, strict=True)):
        axes.add_patch(Rectangle((-0.5, i - 0.14), n, 0.28, fc=GROUND, ec="#777777", lw=0.6))
        points = np.stack([np.full(grid.shape, float(i)), grid.axes[0]], axis=-1)
        _dots(axes, points, grid.spacing[0], pixel)
        axes.text(low, i - 0.2, text, ha="left", va="bottom", fontsize=7 * style.letters())
        if sides:
            start = (n - sides[0]) // 2 - 0.5
            box = Rectangle((start, i - 0.14), sides[0], 0.28, fill=False, ec=style.DARK, lw=1.1)
            box.set_label("object")
            axes.add_patch(box)
    axes.set_yticks([])
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.set_xlabel("x (pixels)")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, steps=[1, 2, 5, 10]))
