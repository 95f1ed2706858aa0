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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import proj3d  # type: ignore[import-untyped]

from erfgraph.errors import SizeError, unknown_name
from erfgraph.explicit import graph, graph_size
from erfgraph.figures import graph_words, style
from erfgraph.figures.given import PLAIN, Given, finished, panel_axes, square
from erfgraph.figures.graph_draw import (
    Look,
    diameter_of,
    draw_graph,
    draw_planes,
    font_in,
    fonts_on,
    nearest,
    paths_through,
    plane_corners,
    wish,
)
from erfgraph.figures.placing import Drawn, place_graph
from erfgraph.figures.style import line, page, place, write_lines
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import FeatureMap, Network
from erfgraph.sweeps import importances

MAX_EDGES = 50_000
# degrees, of the three-dimensional drawing: where numbers have no room, seen more from above
ELEVATIONS, AZIMUTH = (24.0, 32.0, 40.0), -68.0
LARGEST_PAGE = (13.0, 11.0)  # inches, without text
TALLEST = 7.5  # inches, of a drawing that is seen more from above
PAD = 0.12
NAME = 7.5  # points
EDGE_WIDTHS = ("multiplicity", "paths")


def graph_figure(
    net: Network,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    max_units: int = 600,
    *,
    edge_width: str = "multiplicity",
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
    edge_width : {"multiplicity", "paths"}, optional
        What lines are as wide as: how many times the edge is read, or the root of the number
        of paths from the input to the unit that run through it.
    ax : Axes, optional
        Draw the graph alone into these axes of your own figure: plain ones, or for two and
        three axes also those of ``projection="3d"``, which can be turned.
    title : str, optional
        Default: network, unit and measure; in given axes none.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SizeError
        If the network has more units, or more than 50 000 edges.
    NameLookupError, InputError
        As `erfgraph.importance` does; if there is no such `edge_width`, or `ax` is no Axes.

    Examples
    --------
    >>> import erfgraph as eg
    >>> figure = graph_figure(eg.load("conv7*3"))
    >>> [text.get_text() for text in figure.axes[0].texts][:11]
    ['1', '3', '6', '10', '15', '21', '28', '33', '36', '37', '36']
    """
    if edge_width not in EDGE_WIDTHS:
        raise unknown_name("edge_width", str(edge_width), EDGE_WIDTHS)
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
    flow = paths_through(drawn, _counts(net, reached)) if edge_width == "paths" else None
    job = _Job(net, rated, drawn, Look(*_labels(net, rated, drawn), flow), title)
    if ax is not None:
        kinds = PLAIN if net.ndim == 1 else (*PLAIN, "3d")
        (axes,) = panel_axes(ax, ["graph"], kinds=kinds)
        (_into_space if axes.name == "3d" else _into_plain)(axes, job)
        return finished([axes], title)
    with style.paper_style():
        return _flat(job) if net.ndim == 1 else _space(job)


@dataclass(frozen=True)
class _Job:
    """What every part of the figure needs."""

    net: Network
    rated: Mapping[str, ImportanceMap]
    drawn: Drawn
    look: Look
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


def _counts(net: Network, reached: Mapping[str, ImportanceMap]) -> list[int]:
    """Paths from every unit to the chosen one."""
    counts: list[int] = []
    for m in net.maps:
        imp = reached.get(m.name)
        counts += imp.values.ravel().tolist() if imp else [0] * int(np.prod(m.shape))
    return counts


def _page(job: _Job, box: tuple[float, float], fonts: Any) -> tuple[Figure, float, float]:
    """A page around a drawing of that size; its lower left corner, in inches."""
    left = _beside(job.net)
    least = left + box[0] + PAD
    width = style.page_width(None, max(least, 4.2))
    name, what = graph_words.heading(job.rated, width - 0.3)
    if job.title is not None:
        name, what = style.wrapped(job.title, width - 0.3, 9, bold=True), []
    sizes = np.broadcast_to(fonts, len(job.look.labels))
    written = [bool(size) for size, text in zip(sizes, job.look.labels, strict=True) if text]
    foot = graph_words.foot(job.drawn, written, job.look.flow is not None, width - 0.3)
    below = PAD + len(foot) * line() + 0.12
    head = (len(name) + len(what)) * line()
    high = below + box[1] + 0.15 + head + PAD
    figure: Any = page(None, width, high, (least, high))
    write_lines(figure, name, high - PAD, 9, fontweight="bold")
    write_lines(figure, what, high - PAD - len(name) * line(), 7.5)
    write_lines(figure, foot, PAD + len(foot) * line(), 7, color="#333333")
    figure.set_label(" ".join(name + what))
    return figure, left + (width - PAD - left - box[0]) / 2, below


def _beside(net: Network) -> float:
    """Inches that the names of the maps take at the left."""
    return PAD + max(style.text_width(_plane_name(m), NAME) for m in net.maps) + 0.15


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
            fontsize=NAME * style.letters(),
            color=style.DARK,
        )


def _flat(job: _Job) -> Figure:
    """Maps of one axis as rows, the input at the bottom."""
    net, drawn, labels = job.net, job.drawn, job.look.labels
    x = drawn.points[:, 0]
    apart = min(nearest(x[drawn.points[:, 2] == m.index][:, None]) for m in net.maps)
    span = float(np.ptp(x))
    bow = 1.0 * apart if job.bowed else 0.0
    unit = min(wish(labels) / 72 / apart, _largest(net)[0] / (span + 1))
    gap = float(np.clip(LARGEST_PAGE[1] / len(net.maps), 0.35, 0.95))
    diameter = diameter_of(72 * unit * apart)
    edge = diameter / 144 + 0.04  # half a node, in inches
    box = (span * unit + 2 * edge + bow * unit / 2, gap * (len(net.maps) - 1) + 2 * edge)
    font = font_in(labels, 72 * unit * apart - 1.5)
    figure, left, bottom = _page(job, box, font)
    axes = place(figure, left, bottom, *box)
    axes.set_axis_off()
    low = float(x.min())
    axes.set_xlim(low - edge / unit, low - edge / unit + box[0] / unit)
    axes.set_ylim(-edge / gap, len(net.maps) - 1 + edge / gap)
    draw_graph(axes, drawn, job.look, drawn.points[:, [0, 2]], bow, diameter, font)
    _name_planes(figure, net, left, bottom, [edge + gap * i for i in range(len(net.maps))])
    return figure


def _into_plain(axes: Axes, job: _Job) -> None:
    """The graph in plain axes of the caller's; maps of several axes as they are seen."""
    flat, labels = job.net.ndim == 1, job.look.labels
    low, view = ELEVATIONS[0], _view(ELEVATIONS[0])
    points = job.drawn.points[:, [0, 2]] if flat else _stack(job, low) @ view.T
    bow = 1.0 if job.bowed else 0.0
    edges = points
    if not flat:
        planes = plane_corners(job.drawn, _stack(job, low)) @ view.T
        draw_planes(axes, planes)
        edges = planes.reshape(-1, 2)
    rows = [points[job.drawn.points[:, 2] == m.index, 1] for m in job.net.maps]
    axes.set_yticks([float(row.mean()) for row in rows], [_plane_name(m) for m in job.net.maps])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    (x0, y0), (x1, y1) = edges.min(axis=0), edges.max(axis=0)
    axes.set_xlim(x0 - 0.6, x1 + 0.6 + bow / 2)
    axes.set_ylim(y0 - 0.4, y1 + 0.4)
    if not flat:
        square(axes)
    on_page = 72 / axes.figure.dpi * axes.transData.transform(points)
    diameter = diameter_of(nearest(on_page))
    fonts = fonts_on(job.drawn, labels, diameter)
    draw_graph(axes, job.drawn, job.look, points, bow, diameter, fonts)


def _into_space(axes: Any, job: _Job) -> None:
    """The graph in axes of the caller's that have three dimensions."""
    low, points = ELEVATIONS[0], _stack(job, ELEVATIONS[0])
    axes.set_axis_off()
    _set_space(axes, points, low)
    on_page = 72 * _on_page(axes, points, axes.figure.dpi)
    diameter = diameter_of(nearest(on_page))
    fonts = fonts_on(job.drawn, job.look.labels, diameter)
    bow = 1.0 if job.bowed else 0.0
    draw_planes(axes, plane_corners(job.drawn, points))
    draw_graph(axes, job.drawn, job.look, points, bow, diameter, fonts)
    for m in job.net.maps:
        plane = points[job.drawn.points[:, 2] == m.index]
        at = plane[int(np.argmin(plane @ _view(low)[0]))]  # the leftmost as it is seen
        axes.text(*at, f"{_plane_name(m)}   ", ha="right", va="center", color=style.DARK)


def _view(elevation: float) -> np.ndarray:
    """The direction right and the direction up of the page, in space, shape (2, 3)."""
    e, a = np.radians([elevation, AZIMUTH])
    right = (-np.sin(a), np.cos(a), 0.0)
    up = (-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e))
    return np.array([right, up])


def _stack(job: _Job, elevation: float) -> np.ndarray:
    """Points in space, planes just so far apart that none hides another."""
    view = _view(elevation)
    points = job.drawn.points.copy()
    flat = points[:, :2] @ view[1, :2]  # how far up the page a unit stands within its plane
    level, heights = 0.0, [0.0]
    reach = [flat[points[:, 2] == i] for i in range(len(job.net.maps))]
    for low, high in pairwise(reach):
        level += max(1.0, (low.max() - high.min() + 1.3) / view[1, 2])
        heights.append(level)
    points[:, 2] = np.array(heights)[points[:, 2].astype(int)]
    return points


@dataclass(frozen=True)
class _Seen:
    """A drawing in space from one elevation; lengths in inches, diameter and fonts in points."""

    elevation: float
    points: np.ndarray
    planes: np.ndarray  # (maps, 4, 3)
    screen: np.ndarray  # (units, 2), one step in space is `unit` inches
    low: np.ndarray  # (2,), the lower left corner of the box, as `screen`
    unit: float
    diameter: float
    fonts: np.ndarray
    box: tuple[float, float]


def _seen(job: _Job, elevation: float) -> _Seen:
    points = _stack(job, elevation)
    planes = plane_corners(job.drawn, points)
    screen, reach = (at.reshape(-1, 3) @ _view(elevation).T for at in (points, planes))
    apart = nearest(screen)
    room = np.array(_largest(job.net)) / (np.ptp(reach, axis=0) + 0.3)
    unit = min(wish(job.look.labels) / 72 / apart, *room)
    diameter = diameter_of(72 * unit * apart)
    edge, line = (diameter / 144 + 0.04) / unit, 0.02 / unit  # half a node, half a line
    bow = np.array([0.5 if job.bowed else 0.0, 0.0])
    low = np.minimum(screen.min(axis=0) - edge, reach.min(axis=0) - line)
    high = np.maximum(screen.max(axis=0) + edge + bow, reach.max(axis=0) + line)
    width, height = (high - low) * unit
    fonts = fonts_on(job.drawn, job.look.labels, diameter)
    box = (float(width), float(height))
    return _Seen(elevation, points, planes, screen, low, unit, diameter, fonts, box)


def _space(job: _Job) -> Figure:
    """Maps of two axes as planes in space."""
    seen = _seen(job, ELEVATIONS[0])
    for elevation in ELEVATIONS[1:]:
        if seen.fonts.all():
            break
        other = _seen(job, elevation)
        more = np.count_nonzero(other.fonts) > np.count_nonzero(seen.fonts)
        seen = other if more and other.box[1] <= TALLEST else seen
    figure, left, bottom = _page(job, seen.box, seen.fonts)
    axes = _space_axes(figure, seen, (left, bottom), seen.low)
    bow = 1.0 if job.bowed else 0.0
    draw_planes(axes, seen.planes)
    draw_graph(axes, job.drawn, job.look, seen.points, bow, seen.diameter, seen.fonts)
    level = job.drawn.points[:, 2]
    heights = [
        float(np.mean(seen.screen[level == i, 1]) - seen.low[1]) * seen.unit
        for i in range(len(job.net.maps))
    ]
    _name_planes(figure, job.net, left, bottom, heights)
    return figure


def _space_axes(figure: Figure, seen: _Seen, at: tuple[float, float], corner: np.ndarray) -> Any:
    """Axes in which one step in space is `unit` inches and a page point has a given place.

    matplotlib fits the box of the limits into the axes in its own way; the projection is
    parallel, so it is enough to measure it once and then to size and shift the axes.
    """
    width, high = figure.get_size_inches()
    axes: Any = place(figure, 0, 0, 1, 1, projection="3d")
    axes.set_axis_off()
    _set_space(axes, seen.points, seen.elevation)
    view, low = _view(seen.elevation), seen.points.min(axis=0)
    probes = np.array([low, low + view[0]])
    start, stop = _on_page(axes, probes, figure.dpi)
    side = seen.unit / float(stop[0] - start[0])
    axes.set_position((0, 0, side / width, side / high))
    shift = np.array(at) + (view @ low - corner) * seen.unit
    shift -= _on_page(axes, probes, figure.dpi)[0]
    axes.set_position((shift[0] / width, shift[1] / high, side / width, side / high))
    return axes


def _set_space(axes: Any, points: np.ndarray, elevation: float) -> None:
    """Direction of view and limits of axes in space."""
    axes.computed_zorder = False
    axes.set_proj_type("ortho")
    axes.view_init(elevation, AZIMUTH)
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
