"""Where the boxes of a diagram stand on the page, and which way its wires take.

Boxes stand in rows by depth; networkx places the rows. A map that is read further down goes
through every row between, along one place of its own, so that no wire runs through a box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from erfgraph.diagram import Diagram, levels

Place = int | tuple[int, int]  # a box, or (source, row): the map of a box on its way
Point = tuple[float, float]
ABOVE = 0.24  # inches above the strips, where wires come from the strip before
SWEEPS = 6  # over all rows, to bring what is connected above each other


@dataclass(frozen=True, slots=True)
class Rows:
    """Boxes and passing maps by rows, from the input down.

    Attributes
    ----------
    rows : list of list of Place
        From left to right.
    x : dict of Place to float
        In columns; the middle of every row is 0.
    routes : list of list of Place
        For every wire the places that it goes through, its ends included.
    """

    rows: list[list[Place]]
    x: dict[Place, float]
    routes: list[list[Place]]

    def width(self, start: int, stop: int) -> int:
        """Columns of the widest of some rows."""
        return max(len(row) for row in self.rows[start:stop])


def rows_of(found: Diagram) -> Rows:
    """Order boxes and passing maps in rows, and place them side by side."""
    depth = levels(found)
    rows: list[list[Place]] = [[] for _ in range(max(depth) + 1)]
    for box, row in enumerate(depth):
        rows[row].append(box)
    links: dict[tuple[Place, Place], None] = {}
    routes: list[list[Place]] = []
    for wire in found.wires:
        way: list[Place] = [wire.source]
        for row in range(depth[wire.source] + 1, depth[wire.target]):
            at = (wire.source, row)
            if at not in rows[row]:
                rows[row].append(at)
            way.append(at)
        way.append(wire.target)
        routes.append(way)
        links |= dict.fromkeys(pairwise(way))
    _untangle(rows, list(links))
    return Rows(rows, _columns(rows), routes)


def _untangle(rows: list[list[Place]], links: Sequence[tuple[Place, Place]]) -> None:
    """Order each row by the middle of what it is connected with above, then below."""
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for source, target in links:
        above.setdefault(target, []).append(source)
        below.setdefault(source, []).append(target)
    at: dict[Place, float] = {}
    for sweep in range(SWEEPS):
        beside, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for row in order:
            middle = {p: _mean([at[q] for q in beside.get(p, []) if q in at]) for p in row}
            row.sort(key=lambda p: middle[p])
            at |= {p: i - (len(row) - 1) / 2 for i, p in enumerate(row)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _columns(rows: Sequence[Sequence[Place]]) -> dict[Place, float]:
    """Where the places of every row stand, one column apart, as networkx lays layers out."""
    import networkx as nx

    graph: nx.DiGraph[Place] = nx.DiGraph()
    for row in rows:
        graph.add_nodes_from(row)
    if graph.number_of_nodes() == 1:
        return {rows[0][0]: 0.0}
    # by name of an attribute networkx would forget the order within a row
    by_row = dict(enumerate(rows))
    placed = nx.multipartite_layout(graph, subset_key=by_row, align="horizontal")
    ys = sorted({round(float(p[1]), 9) for p in placed.values()})
    # networkx fits all into a square: rows are as far apart as columns
    unit = (ys[-1] - ys[0]) / (len(rows) - 1) if len(rows) > 1 else 0.0
    if not unit:
        unit = abs(placed[rows[0][1]][0] - placed[rows[0][0]][0])
    return {p: round(float(xy[0]) / unit, 3) for p, xy in placed.items()}


@dataclass(frozen=True, slots=True)
class Strips:
    """Rows cut into strips that stand beside each other, as columns of a text.

    Attributes
    ----------
    starts : tuple of int
        First row of each strip.
    stop : int
        One past the last row.
    """

    starts: tuple[int, ...]
    stop: int

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First row and one past the last of each strip."""
        return list(zip(self.starts, (*self.starts[1:], self.stop), strict=True))

    def strip(self, row: int) -> int:
        """The strip in which a row stands."""
        return sum(start <= row for start in self.starts) - 1


def cuts(found: Diagram, laid: Rows) -> list[int]:
    """Rows before which a strip may start: one box alone stands above, and no part is split."""
    depth = levels(found)
    inside = {
        row
        for part in found.parts
        for row in range(
            min(depth[b] for b in part.boxes) + 1, max(depth[b] for b in part.boxes) + 1
        )
    }
    return [
        i + 1
        for i, row in enumerate(laid.rows[:-1])
        if len(row) == 1 and isinstance(row[0], int) and i + 1 not in inside
    ]


def strips(laid: Rows, allowed: Sequence[int], count: int) -> Strips:
    """At most `count` strips, the longest as short as it can be."""
    n = len(laid.rows)
    for longest in range(math.ceil(n / count), n + 1):
        starts = _filled([*allowed, n], longest)
        if len(starts) <= count:
            break
    return Strips(tuple(starts), n)


def _filled(ends: Sequence[int], longest: int) -> list[int]:
    """Where strips start that are filled one after the other up to a length."""
    starts = [0]
    for row, after in pairwise(ends):
        if after - starts[-1] > longest and row > starts[-1]:
            starts.append(row)
    return starts


@dataclass(frozen=True, slots=True)
class Page:
    """Places in inches, y upwards from the bottom of the drawing.

    Attributes
    ----------
    width, height : float
    at : dict of Place to (x, y)
    lines : list of list of (x, y)
        The corners of every wire, its ends at the boxes' edges.
    """

    width: float
    height: float
    at: dict[Place, Point]
    lines: list[list[Point]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Inches: width and height of a box, and from one column, row and strip to the next."""

    box: float
    high: float
    column: float
    row: float
    gutter: float


def page_of(found: Diagram, laid: Rows, cut: Strips, sizes: Sizes) -> Page:
    """Coordinates of everything, strips from left to right."""
    widths = [laid.width(*span) * sizes.column for span in cut.spans]
    height = max(stop - start for start, stop in cut.spans) * sizes.row
    lefts = [sum(widths[:i]) + i * sizes.gutter for i in range(len(widths))]
    row_of = {p: i for i, row in enumerate(laid.rows) for p in row}
    at: dict[Place, Point] = {}
    for place, row in row_of.items():
        s = cut.strip(row)
        y = height - (row - cut.starts[s] + 0.5) * sizes.row
        at[place] = (lefts[s] + widths[s] / 2 + laid.x[place] * sizes.column, y)
    lines = []
    for way in laid.routes:
        x, y = at[way[0]]
        line = [(x, y - sizes.high / 2)]
        for a, b in pairwise(way):
            s = cut.strip(row_of[b])
            if s != cut.strip(row_of[a]):  # down, into the gutter, up, and over the next strip
                low, over = at[a][1] - sizes.row * 0.42, height + ABOVE / 2
                gutter, middle = lefts[s] - sizes.gutter / 2, lefts[s] + widths[s] / 2
                line += [(at[a][0], low), (gutter, low), (gutter, over), (middle, over)]
            line.append(at[b] if b is not way[-1] else (at[b][0], at[b][1] + sizes.high / 2))
        lines.append(line)
    return Page(lefts[-1] + widths[-1], height, at, lines)
