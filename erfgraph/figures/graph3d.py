"""`graph_figure`: a small network as the directed graph that it is, maps as stacked planes.

Both drawings work in inches: first the units' places, then a page around them, so that
nothing is cut off and numbers have room.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import proj3d  # type: ignore[import-untyped]
from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]
from scipy.spatial import cKDTree

from erfgraph.errors import SizeError
from erfgraph.explicit import graph, graph_size
from erfgraph.figures import graph_words, style
from erfgraph.figures.given import PLAIN, Given, finished, panel_axes, square
from erfgraph.figures.placing import Drawn, edge_lines, place_graph
from erfgraph.figures.style import LINE, page, place, write_lines
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import FeatureMap, Network
from erfgraph.sweeps import importances

MAX_EDGES = 50_000
ELEVATION, AZIMUTH = 24.0, -68.0  # degrees, of the three-dimensional drawing
LARGEST_PAGE = (13.0, 11.0)  # inches, without text
NODE, SMALLEST_NODE = 17.0, 3.0  # diameters in points
LETTER = 0.64  # width of a digit over the font size
FONT, SMALLEST_FONT = 7.5, 4.5
PAD = 0.12
CONE_EDGE = "#4a4a4a"


def graph_figure(
    net: Network,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    max_units: int = 600,
    *,
    ax: Given | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a small network's graph: every unit a node, every edge a line upwards.

    The units and edges on a path to one unit stand out; each such unit carries its
    importance. One axis: maps are rows. Two axes: maps are planes in space. Three axes: as
    two, the slices of a map side by side.

    Parameters
    ----------
    net : Network
    layer, unit, measure
        The unit, and what is counted, as for `erfgraph.importance`.
    max_units : int, optional
        Refuse to draw more.
    ax : Axes, optional
        Draw the graph alone into these axes of your own figure: plain ones, or for two and
        three axes also those of ``projection="3d"``, which can be turned.
    title : str, optional
        Default: network, unit and measure; in given axes none.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are as many times thicker as the edge is read more than once.

    Raises
    ------
    SizeError
        If the network has more units, or more than 50 000 edges.
    NameLookupError, InputError
        As `erfgraph.importance` does; if `ax` is no Axes.

    Examples
    --------
    >>> import erfgraph as eg
    >>> figure = graph_figure(eg.load("conv7*3"))
    >>> [text.get_text() for text in figure.axes[0].texts][:11]
    ['1', '3', '6', '10', '15', '21', '28', '33', '36', '37', '36']
    """
    size = graph_size(net)
    if size.n_units > max_units or size.n_edges > MAX_EDGES:
        raise SizeError(
            f"the graph has {size.n_units} units and {size.n_edges} edges, too many to draw: the "
            f"limit is {max_units} units (max_units) and {MAX_EDGES} edges; export it instead, "
            "erfgraph.graph(net).save('net.graphml')"
        )
    rated = importances(net, layer, unit, measure)
    reached = rated if measure == "paths" else importances(net, layer, unit)
    drawn = place_graph(graph(net), {name: imp.trf.mask for name, imp in reached.items()})
    job = _Job(net, rated, drawn, *_labels(net, rated, drawn), title)
    if ax is not None:
        kinds = PLAIN if net.ndim == 1 else (*PLAIN, "3d")
        (axes,) = panel_axes(ax, ["graph"], kinds=kinds)
        (_into_space if axes.name == "3d" else _into_plain)(axes, job)
        return finished([axes], title)
    with style.paper_style():
        return _flat(job) if net.ndim == 1 else _space(job)


@dataclass(frozen=True)
class _Job:
    """What every part of the figure needs; a text and a shade for every unit."""

    net: Network
    rated: Mapping[str, ImportanceMap]
    drawn: Drawn
    labels: list[str]
    shades: np.ndarray
    title: str | None

    @property
    def bowed(self) -> bool:
        """Whether some edges pass the units of another map, and so are bowed."""
        return bool(self.drawn.skips.any())


def _labels(
    net: Network, rated: Mapping[str, ImportanceMap], drawn: Drawn
) -> tuple[list[str], np.ndarray]:
    """A text for every unit, empty outside the cone, and importance over the map's largest."""
    texts: list[str] = []
    shades: list[np.ndarray] = []
    for m in net.maps:
        n = int(np.prod(m.shape))
        imp = rated.get(m.name)
        if imp is None:
            texts += [""] * n
            shades.append(np.zeros(n))
            continue
        texts += [graph_words.short(v, imp.log10_scale) for v in imp.values.ravel().tolist()]
        shades.append(imp.relative.ravel())
    kept = [text if inside else "" for text, inside in zip(texts, drawn.cone, strict=True)]
    return kept, np.concatenate(shades)


def _page(job: _Job, box: tuple[float, float], written: bool) -> tuple[Figure, float, float]:
    """A page around a drawing of that size; its lower left corner, in inches."""
    left = _beside(job.net)
    least = left + box[0] + PAD
    width = style.page_width(None, max(least, 4.2))
    name, what = graph_words.heading(job.rated, width - 0.3)
    if job.title is not None:
        name, what = style.wrapped(job.title, width - 0.3, 9, bold=True), []
    foot = graph_words.foot(job.drawn, written, width - 0.3)
    below = PAD + len(foot) * LINE + 0.12
    head = (len(name) + len(what)) * LINE
    high = below + box[1] + 0.15 + head + PAD
    figure: Any = page(None, width, high, (least, high))
    write_lines(figure, name, high - PAD, 9, fontweight="bold")
    write_lines(figure, what, high - PAD - len(name) * LINE, 7.5)
    write_lines(figure, foot, PAD + len(foot) * LINE, 7, color="#333333")
    figure.set_label(" ".join(name + what))
    return figure, left + (width - PAD - left - box[0]) / 2, below


def _beside(net: Network) -> float:
    """Inches that the names of the maps take at the left."""
    return PAD + 0.078 * style.letters() * max(len(_plane_name(m)) for m in net.maps) + 0.15


def _largest(net: Network) -> tuple[float, float]:
    """The largest drawing, in inches: at most what the paper leaves of its width."""
    most = style.page_width(None, math.inf) - _beside(net) - PAD - 0.35
    return max(0.5, min(LARGEST_PAGE[0], most)), LARGEST_PAGE[1]


def _plane_name(m: FeatureMap) -> str:
    return f"{m.name} ({'×'.join(map(str, m.shape))})"


def _name_planes(
    figure: Figure, net: Network, left: float, bottom: float, heights: list[float]
) -> None:
    """Names of the maps in a column at the left, each beside its plane."""
    width, high = figure.get_size_inches()
    for m, height in zip(net.maps, heights, strict=True):
        x, y = (left - 0.12) / width, (bottom + height) / high
        figure.text(
            x,
            y,
            _plane_name(m),
            ha="right",
            va="center",
            fontsize=7.5 * style.letters(),
            color=style.DARK,
        )


def _font(labels: list[str], room: float) -> float:
    """Font size with which the longest label fits a width in points; 0 if none does."""
    longest = max((len(text) for text in labels), default=0)
    most = FONT * style.letters()
    size = min(most, room / (LETTER * longest)) if longest else most
    return size if size >= SMALLEST_FONT else 0.0


def _wish(labels: list[str]) -> float:
    """Distance between units, in points, at which labels are comfortable."""
    longest = max((len(text) for text in labels), default=0)
    return max(NODE + 6, LETTER * FONT * longest + 5)


def _nearest(points: np.ndarray) -> float:
    """The smallest distance between two points."""
    if len(points) < 2:
        return 1.0
    distances = np.asarray(cKDTree(points).query(points, k=2)[0])
    return float(distances[:, 1].min()) or 1e-3


def _colours(drawn: Drawn, shades: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Fill of every unit, and the colour of its text."""
    fill = colormaps[style.DEFAULT_CMAP](0.15 + 0.85 * shades)
    fill[~drawn.cone] = (0.95, 0.95, 0.95, 1)
    dark = fill[:, :3] @ np.array([0.299, 0.587, 0.114]) < 0.52
    return fill, ["white" if d else "black" for d in dark]


def _edge_groups(drawn: Drawn, points: np.ndarray, bow: float) -> list[tuple[Any, Any, bool]]:
    """Lines, widths and whether they are in the cone, in four groups; empty ones left out."""
    groups = []
    for inside in (False, True):
        for skip in (False, True):
            which = (drawn.in_cone == inside) & (drawn.skips == skip)
            if which.any():
                lines = edge_lines(points, drawn, which, bow if skip else 0.0)
                widths = (0.7 if inside else 0.4) * drawn.counts[which]
                groups.append((lines, widths, inside))
    return groups


def _line_look(widths: np.ndarray, inside: bool) -> dict[str, Any]:
    return {
        "linewidths": widths,
        "colors": CONE_EDGE if inside else style.PALE,
        "alpha": 0.75 if inside else 1.0,
        "zorder": 2 if inside else 1,
        "label": "edges on a path" if inside else "other edges",
        "clip_on": False,
    }


def _node_look(drawn: Drawn, fill: np.ndarray, diameter: float) -> dict[str, Any]:
    return {
        "s": diameter**2,
        "c": fill,
        "edgecolors": [style.DARK if inside else "#9a9a9a" for inside in drawn.cone],
        "linewidths": 0.5,
        "zorder": 3,
        "clip_on": False,
        "label": "units",
    }


def _flat(job: _Job) -> Figure:
    """Maps of one axis as rows, the input at the bottom."""
    net, drawn = job.net, job.drawn
    x = drawn.points[:, 0]
    nearest = min(_nearest(x[drawn.points[:, 2] == m.index][:, None]) for m in net.maps)
    span = float(np.ptp(x))
    bow = 1.0 * nearest if job.bowed else 0.0
    unit = min(_wish(job.labels) / 72 / nearest, _largest(net)[0] / (span + 1))
    gap = float(np.clip(LARGEST_PAGE[1] / len(net.maps), 0.35, 0.95))
    diameter = float(np.clip(72 * 0.85 * unit * nearest, SMALLEST_NODE, NODE))
    edge = diameter / 144 + 0.04  # half a node, in inches
    box = (span * unit + 2 * edge + bow * unit / 2, gap * (len(net.maps) - 1) + 2 * edge)
    font = _font(job.labels, 72 * unit * nearest - 1.5)
    figure, left, bottom = _page(job, box, font > 0)
    axes = place(figure, left, bottom, *box)
    axes.set_axis_off()
    low = float(x.min())
    axes.set_xlim(low - edge / unit, low - edge / unit + box[0] / unit)
    axes.set_ylim(-edge / gap, len(net.maps) - 1 + edge / gap)
    _draw(axes, job, drawn.points[:, [0, 2]], bow, diameter, font)
    _name_planes(figure, net, left, bottom, [edge + gap * i for i in range(len(net.maps))])
    return figure


def _draw(
    axes: Any, job: _Job, points: np.ndarray, bow: float, diameter: float, font: float
) -> None:
    """Edges, units and numbers; in space where points have three coordinates."""
    space = points.shape[1] == 3
    for lines, widths, inside in _edge_groups(job.drawn, points, bow):
        look = _line_look(widths, inside)
        if space:
            axes.add_collection3d(Line3DCollection(list(lines), **look), autolim=False)
        else:
            axes.add_collection(LineCollection(list(lines), **look), autolim=False)
    fill, ink = _colours(job.drawn, job.shades)
    shading = {"depthshade": False} if space else {}
    axes.scatter(*points.T, **shading, **_node_look(job.drawn, fill, diameter))
    for at, text, colour in zip(points, job.labels, ink, strict=True):
        if text and font:
            # a label wider than its node stands beyond the fill: dark, with a halo
            wide = font * LETTER * len(text) > diameter
            axes.text(*at, text, **_text_look(font, "black" if wide else colour, wide))


def _into_plain(axes: Axes, job: _Job) -> None:
    """The graph in plain axes of the caller's; maps of several axes as they are seen."""
    flat = job.net.ndim == 1
    points = job.drawn.points[:, [0, 2]] if flat else _stack(job)[0] @ _view().T
    bow = 1.0 if job.bowed else 0.0
    rows = [points[job.drawn.points[:, 2] == m.index, 1] for m in job.net.maps]
    axes.set_yticks([float(row.mean()) for row in rows], [_plane_name(m) for m in job.net.maps])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    axes.set_xlim(x0 - 0.6, x1 + 0.6 + bow / 2)
    axes.set_ylim(y0 - 0.4, y1 + 0.4)
    if not flat:
        square(axes)
    on_page = 72 / axes.figure.dpi * axes.transData.transform(points)
    nearest = _nearest(on_page)
    diameter = float(np.clip(0.85 * nearest, SMALLEST_NODE, NODE))
    font = _font(job.labels, (nearest if flat else diameter) - 1.5)
    _draw(axes, job, points, bow, diameter, font)


def _into_space(axes: Any, job: _Job) -> None:
    """The graph in axes of the caller's that have three dimensions."""
    points, _ = _stack(job)
    axes.set_axis_off()
    _set_space(axes, points)
    nearest = 72 * _nearest(_on_page(axes, points, axes.figure.dpi))
    diameter = float(np.clip(0.85 * nearest, SMALLEST_NODE, NODE))
    font = _font(job.labels, diameter - 1.5)
    _draw(axes, job, points, 1.0 if job.bowed else 0.0, diameter, font)
    for m in job.net.maps:
        plane = points[job.drawn.points[:, 2] == m.index]
        at = plane[int(np.argmin(plane @ _view()[0]))]  # the leftmost as it is seen
        axes.text(*at, f"{_plane_name(m)}   ", ha="right", va="center", color=style.DARK)


def _text_look(font: float, colour: str, halo: bool) -> dict[str, Any]:
    look: dict[str, Any] = {
        "fontsize": font,
        "color": colour,
        "ha": "center",
        "va": "center_baseline",
        "zorder": 4,
    }
    return look | ({"path_effects": style.outlined("white", 1.6)} if halo else {})


def _view() -> np.ndarray:
    """The direction right and the direction up of the page, in space, shape (2, 3)."""
    e, a = np.radians([ELEVATION, AZIMUTH])
    right = (-np.sin(a), np.cos(a), 0.0)
    up = (-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e))
    return np.array([right, up])


def _stack(job: _Job) -> tuple[np.ndarray, np.ndarray]:
    """Points in space, planes just so far apart that none hides another; the planes' heights."""
    view = _view()
    points = job.drawn.points.copy()
    flat = points[:, :2] @ view[1, :2]  # how far up the page a unit stands within its plane
    level, heights = 0.0, [0.0]
    reach = [flat[points[:, 2] == i] for i in range(len(job.net.maps))]
    for low, high in pairwise(reach):
        level += max(1.0, (low.max() - high.min() + 1.3) / view[1, 2])
        heights.append(level)
    points[:, 2] = np.array(heights)[points[:, 2].astype(int)]
    return points, np.array(heights)


def _space(job: _Job) -> Figure:
    """Maps of two axes as planes in space."""
    net, drawn = job.net, job.drawn
    points, _ = _stack(job)
    screen = points @ _view().T
    size = np.ptp(screen, axis=0)
    nearest = _nearest(screen)
    unit = min(_wish(job.labels) / 72 / nearest, *(np.array(_largest(net)) / (size + 1)))
    diameter = float(np.clip(72 * 0.85 * unit * nearest, SMALLEST_NODE, NODE))
    edge = diameter / 144 + 0.04
    bow = 1.0 if job.bowed else 0.0
    box = (size[0] * unit + 2 * edge + bow * unit / 2, size[1] * unit + 2 * edge)
    font = _font(job.labels, diameter - 1.5)
    figure, left, bottom = _page(job, box, font > 0)
    corner = screen.min(axis=0)
    axes = _space_axes(figure, points, unit, (left + edge, bottom + edge), corner)
    _draw(axes, job, points, bow, diameter, font)
    heights = [
        float(np.mean(screen[drawn.points[:, 2] == i, 1]) - corner[1]) * unit + edge
        for i in range(len(net.maps))
    ]
    _name_planes(figure, net, left, bottom, heights)
    return figure


def _space_axes(
    figure: Figure,
    points: np.ndarray,
    unit: float,
    at: tuple[float, float],
    corner: np.ndarray,
) -> Any:
    """Axes in which one step in space is `unit` inches and a page point has a given place.

    matplotlib fits the box of the limits into the axes in its own way; the projection is
    parallel, so it is enough to measure it once and then to size and shift the axes.
    """
    width, high = figure.get_size_inches()
    axes: Any = place(figure, 0, 0, 1, 1, projection="3d")
    axes.set_axis_off()
    _set_space(axes, points)
    view, low = _view(), points.min(axis=0)
    probes = np.array([low, low + view[0]])
    start, stop = _on_page(axes, probes, figure.dpi)
    side = unit / float(stop[0] - start[0])
    axes.set_position((0, 0, side / width, side / high))
    shift = np.array(at) + (view @ low - corner) * unit - _on_page(axes, probes, figure.dpi)[0]
    axes.set_position((shift[0] / width, shift[1] / high, side / width, side / high))
    return axes


def _set_space(axes: Any, points: np.ndarray) -> None:
    """Direction of view and limits of axes in space."""
    axes.computed_zorder = False
    axes.set_proj_type("ortho")
    axes.view_init(ELEVATION, AZIMUTH)
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1.0)
    for setter, start, length in zip(
        (axes.set_xlim, axes.set_ylim, axes.set_zlim), low, span, strict=True
    ):
        setter(start, start + length)
    axes.set_box_aspect(span)


def _on_page(axes: Any, points: np.ndarray, dpi: float) -> np.ndarray:
    """Where points in space fall on the page, in inches, shape (points, 2)."""
    axes.apply_aspect()
    flat = proj3d.proj_transform(*points.T, axes.get_proj())[:2]
    return np.asarray(axes.transData.transform(np.transpose(flat))) / dpi
