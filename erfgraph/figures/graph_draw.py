"""How the edges, the units and the numbers of a graph are drawn, once they have places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection, PolyCollection
from mpl_toolkits.mplot3d.art3d import (  # type: ignore[import-untyped]
    Line3DCollection,
    Poly3DCollection,
)
from scipy.spatial import cKDTree

from erfgraph.figures import style
from erfgraph.figures.placing import Drawn, edge_lines

NODE, SMALLEST_NODE = 17.0, 3.0  # diameters in points
LETTER = 0.64  # width of a digit over the font size
FONT, SMALLEST_FONT = 7.5, 4.5
OVER = 1.1  # width of a label over the diameter of its node, at most
EDGE, THIN = (
    0.7,
    0.35,
)  # widths in points of an edge that is read once, where units are large, small
CONE_EDGE = "#4a4a4a"
WIDEST, LEAST = 2.4, 0.2  # widths by paths, where units are large
RIM = 0.42  # how far a plane reaches beyond its units, over the distance between them
PLANE, PLANE_EDGE = (0.55, 0.65, 0.8, 0.1), (0.55, 0.6, 0.68, 0.8)


@dataclass(frozen=True)
class Look:
    """What is drawn at the places of the units.

    Attributes
    ----------
    labels : list of str
        A text for every unit, empty for none.
    shades : float64 array (units,)
        Importance over the map's largest.
    flow : list of float or None
        For every edge the paths that run through it, over the most: lines are as wide as the
        root of it. None for the multiplicity of the edges.
    """

    labels: list[str]
    shades: np.ndarray
    flow: list[float] | None = None


def wish(labels: list[str]) -> float:
    """Distance between units, in points, at which labels are comfortable."""
    longest = max((len(text) for text in labels), default=0)
    return max(NODE + 6, LETTER * FONT * longest + 5)


def nearest(points: np.ndarray) -> float:
    """The smallest distance between two points."""
    if len(points) < 2:
        return 1.0
    distances = np.asarray(cKDTree(points).query(points, k=2)[0])
    return float(distances[:, 1].min()) or 1e-3


def diameter_of(apart: float) -> float:
    """Diameter of the nodes, in points, where so many lie between them."""
    return float(np.clip(0.85 * apart, SMALLEST_NODE, NODE))


def font_in(labels: list[str], room: float) -> float:
    """Font size with which the longest label fits a width in points; 0 if none does."""
    longest = max((len(text) for text in labels), default=0)
    most = FONT * style.letters()
    size = min(most, room / (LETTER * longest)) if longest else most
    return size if size >= _smallest() else 0.0


def fonts_on(drawn: Drawn, labels: list[str], diameter: float) -> np.ndarray:
    """Font size for every unit: one a map, with which its longest label fits a node, or 0."""
    level = drawn.points[:, 2]
    sizes = np.zeros(len(labels))
    for m in np.unique(level):
        at = np.flatnonzero(level == m)
        size = min(font_in([labels[i] for i in at], OVER * diameter), diameter)
        sizes[at] = size if size >= _smallest() else 0.0
    return sizes


def _smallest() -> float:
    """Points, from which on numbers are written."""
    return SMALLEST_FONT if style.letters() <= 1 else style.small(SMALLEST_FONT)


def draw_graph(
    axes: Any,
    drawn: Drawn,
    look: Look,
    points: np.ndarray,
    bow: float,
    diameter: float,
    fonts: Any,
) -> None:
    """Edges, units and numbers; in space where points have three coordinates.

    Parameters
    ----------
    axes : Axes
    drawn : Drawn
    look : Look
    points : array (units, 2 or 3)
        In the coordinates of the axes.
    bow : float
        How far edges stand aside that pass another map's units.
    diameter : float
        Of the nodes, in points.
    fonts : float or float64 array (units,)
        In points; no number for 0.
    """
    space = points.shape[1] == 3
    small = diameter / NODE
    if look.flow is None:
        once = float(np.clip(EDGE * small, THIN, EDGE))
        widths = once * drawn.counts * np.where(drawn.in_cone, 1.0, 0.6)
    else:
        widths = LEAST + max(WIDEST * small, 1.0) * np.sqrt(look.flow)
    for inside in (False, True):
        for skip in (False, True):
            which = (drawn.in_cone == inside) & (drawn.skips == skip)
            if not which.any():
                continue
            lines = list(edge_lines(points, drawn, which, bow if skip else 0.0))
            looks = _line_look(widths[which], inside)
            if space:
                axes.add_collection3d(Line3DCollection(lines, **looks), autolim=False)
            else:
                axes.add_collection(LineCollection(lines, **looks), autolim=False)
    fill, ink = _colours(drawn, look.shades)
    shading = {"depthshade": False} if space else {}
    axes.scatter(*points.T, **shading, **_node_look(drawn, fill, diameter))
    sizes = np.broadcast_to(fonts, len(points))
    for at, text, colour, font in zip(points, look.labels, ink, sizes, strict=True):
        if text and font:
            # a label wider than its node stands beyond the fill: dark, with a halo
            wide = font * LETTER * len(text) > OVER * diameter + 1e-9
            axes.text(*at, text, **_text_look(font, "black" if wide else colour, wide))


def plane_corners(drawn: Drawn, points: np.ndarray) -> np.ndarray:
    """Corners of a plane under the units of every map.

    Parameters
    ----------
    drawn : Drawn
    points : float64 array (units, 3)
        Places of the units in space.

    Returns
    -------
    float64 array (maps, 4, 3)
    """
    corners = []
    for m in np.unique(drawn.points[:, 2]):
        units = points[drawn.points[:, 2] == m]
        rim = np.array([RIM, RIM, 0.0])
        (x0, y0, z), (x1, y1, _) = units.min(axis=0) - rim, units.max(axis=0) + rim
        corners.append([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])
    return np.array(corners)


def draw_planes(axes: Any, corners: np.ndarray) -> None:
    """Planes, in space or as they are seen, by the last axis of their corners."""
    looks: dict[str, Any] = {
        "facecolors": PLANE,
        "edgecolors": PLANE_EDGE,
        "linewidths": 0.5,
        "zorder": 0,
    }
    looks |= {"clip_on": False, "label": "planes"}
    if corners.shape[-1] == 3:
        axes.add_collection3d(Poly3DCollection(corners, **looks), autolim=False)
    else:
        axes.add_collection(PolyCollection(list(corners), **looks), autolim=False)


def paths_through(drawn: Drawn, to_unit: Sequence[int]) -> list[float]:
    """Paths from the input to the chosen unit that run through each edge, over the most.

    Parameters
    ----------
    drawn : Drawn
    to_unit : sequence of int
        Paths from every unit to the chosen one.
    """
    level = drawn.points[:, 2].astype(int)
    from_input = np.array([int(m == 0) for m in level], dtype=object)  # exact, however many
    through = np.zeros(len(drawn.counts), dtype=object)
    for m in range(1, level.max() + 1):
        into = np.flatnonzero(level[drawn.targets] == m)
        paths = drawn.counts[into].astype(object) * from_input[drawn.sources[into]]
        np.add.at(from_input, drawn.targets[into], paths)
        through[into] = paths * np.array(to_unit, dtype=object)[drawn.targets[into]]
    most = max(through, default=0) or 1
    return [int(n) / int(most) for n in through]


def _colours(drawn: Drawn, shades: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Fill of every unit, and the colour of its text."""
    fill = colormaps[style.DEFAULT_CMAP](0.15 + 0.85 * shades)
    fill[~drawn.cone] = (0.95, 0.95, 0.95, 1)
    dark = fill[:, :3] @ np.array([0.299, 0.587, 0.114]) < 0.52
    return fill, ["white" if d else "black" for d in dark]


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


def _text_look(font: float, colour: str, halo: bool) -> dict[str, Any]:
    look: dict[str, Any] = {
        "fontsize": font,
        "color": colour,
        "ha": "center",
        "va": "center_baseline",
        "zorder": 4,
    }
    return look | ({"path_effects": style.outlined("white", 1.6)} if halo else {})
