"""The page of a network that goes down and up again, as a U: skips run straight across."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from erfgraph.diagram import Diagram
from erfgraph.figures.diagrams import strips as s
from erfgraph.figures.diagrams.boxes import WIRE_TEXT, Drawn, points, width_of
from erfgraph.figures.diagrams.guides import Guides, Place, doors_of, mains_of
from erfgraph.figures.diagrams.layering import Rows
from erfgraph.figures.diagrams.spreading import Extent, spread
from erfgraph.figures.diagrams.strips import Levels, Page, Point

FEWEST = 2  # skips of a U
BETWEEN = 0.16  # inches of a skip beside its field


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where a network turns: the first row of the way up, and the wires that skip it."""

    row: int
    skips: tuple[int, ...]  # numbers of wires, the outermost first


def u_page(found: Diagram, laid: Rows, drawn: Sequence[Drawn]) -> Page | None:
    """The way down on the left, the way up on the right; None if it is no U.

    A U has skips from the way down to the way up, each within the one before, from boxes at the
    right end of their rows to boxes at the left end of theirs.

    Parameters
    ----------
    found : Diagram
    laid : Rows
    drawn : sequence of Drawn
        Of the boxes.
    """
    turn = None if found.parts else _turn(found, laid)
    if turn is None:
        return None
    halves = _halves(found, laid, turn)
    if halves is None:
        return None
    x, width = _columns(found, halves, drawn, turn)
    ports = s.ports_of(found, halves, drawn, x, (0, turn.row), turn.skips)
    levels = _aligned(found, halves, drawn, turn, s.entering(halves, x, ports, (0, turn.row)))
    return _assembled(found, halves, drawn, turn, x, width, ports, levels)


def _turn(found: Diagram, laid: Rows) -> _Turn | None:
    """The row with most skips before it that lie within each other; of several the middle."""
    depth = laid.row_of
    ends = [(depth[wire.source], depth[wire.target]) for wire in found.wires]
    over: list[list[int]] = [[] for _ in laid.rows]  # wires from before a row into it or past it
    for k in (k for k, (a, b) in enumerate(ends) if b - a > 1):
        for row in range(ends[k][0] + 1, ends[k][1] + 1):
            over[row].append(k)
    spines = Counter(b for a, b in ends if b - a == 1)
    turns: list[_Turn] = []
    for row, skips in enumerate(over):
        skips.sort(key=lambda k: ends[k])
        pairs = pairwise([ends[k] for k in skips])
        nested = all(a < b and c > d for (a, c), (b, d) in pairs)
        if spines[row] == 1 and nested and len(skips) >= FEWEST:
            turns.append(_Turn(row, tuple(skips)))
    most = max((len(turn.skips) for turn in turns), default=0)
    best = [turn for turn in turns if len(turn.skips) == most]
    return best[len(best) // 2] if best else None


def _halves(found: Diagram, laid: Rows, turn: _Turn) -> Rows | None:
    """The rows without the lanes of skips, whose ends must stand at the inner sides."""
    routes = [[way[0], way[-1]] if k in turn.skips else way for k, way in enumerate(laid.routes)]
    used = {p for way in routes for p in way}
    rows = [[p for p in row if p in used] for row in laid.rows]
    depth = laid.row_of
    for k in turn.skips:
        wire = found.wires[k]
        left, right = rows[depth[wire.source]], rows[depth[wire.target]]
        if any(not isinstance(p, int) for p in (*left, *right)):
            return None
        left.sort(key=lambda p: p == wire.source)
        right.sort(key=lambda p: p != wire.target)
    return Rows(rows, routes, [])


def _columns(
    found: Diagram, halves: Rows, drawn: Sequence[Drawn], turn: _Turn
) -> tuple[dict[Place, float], float]:
    """Positions from the left, and the width of all."""
    extents: dict[Place, Extent] = {
        p: (drawn[p].room / 2,) * 2 if isinstance(p, int) else (s.LANE, s.LANE)
        for row in halves.rows
        for p in row
    }
    links = [
        link
        for k, way in enumerate(halves.routes)
        for link in pairwise(way)
        if k not in turn.skips
    ]
    guides = Guides(mains_of(found), doors_of(found))
    x: dict[Place, float] = {}
    left = s.EDGE
    for rows in (halves.rows[: turn.row], halves.rows[turn.row :]):
        placed = spread(rows, list(dict.fromkeys(links)), guides, extents, s.GAP)
        x |= {p: left + value for p, value in placed.items()}
        right = max(x[p] + extents[p][1] for p in placed)
        left = right + _between(found, drawn, turn)
    return x, right + s.EDGE


def _between(found: Diagram, drawn: Sequence[Drawn], turn: _Turn) -> float:
    """Width of the gap that skips run through, with their fields."""
    size = points(WIRE_TEXT)
    fields = [drawn[found.wires[k].source].field for k in turn.skips]
    return BETWEEN + max(width_of(line, size) for text in fields for line in text.split("\n"))


def _aligned(
    found: Diagram, halves: Rows, drawn: Sequence[Drawn], turn: _Turn, enter: list[float]
) -> Levels:
    """Heights along the way: down for rows before the turn, and up from there on.

    The rows of a skip's ends stand at one height: rows between are moved apart on the side that
    has fewer.
    """
    depth = halves.row_of
    ends = [(depth[found.wires[k].source], depth[found.wires[k].target]) for k in turn.skips]
    for (a, d), (b, c) in pairwise(ends):  # rows down from a to b, and up from c to d
        down = _distance(halves, drawn, enter, a, b)
        up = _distance(halves, drawn, enter, c, d)
        rows = range(a + 1, b + 1) if down < up else range(c + 1, d + 1)
        for row in rows:
            enter[row] += abs(down - up) / len(rows)
    tops: list[float] = [0.0]
    under: list[float] = []
    for row in range(len(halves.rows)):
        if row:
            tops.append(0.0 if row == turn.row else under[-1] + enter[row])
        under.append(tops[-1] + sum(s.zone(halves, drawn, row)))
    return Levels(tops, under)


def _distance(
    halves: Rows, drawn: Sequence[Drawn], enter: Sequence[float], first: int, last: int
) -> float:
    """From the middle of the boxes of one row to that of another, along the way."""
    zones = [s.zone(halves, drawn, row) for row in range(first, last + 1)]
    ways = sum(enter[first + 1 : last + 1]) + sum(sum(zone) for zone in zones[:-1])
    return ways + (zones[-1][0] - zones[0][0]) / 2


@dataclass(frozen=True, slots=True)
class _Sides:
    """Heights on the page, from heights along the way; 0 is the top of the left column."""

    halves: Rows
    drawn: Sequence[Drawn]
    turn: _Turn
    levels: Levels
    meet: float  # height along the way down plus that along the way up, at a skip's ends

    def height(self, row: int, along: float) -> float:
        """Upwards from the top of the left column."""
        return -along if row < self.turn.row else along - self.meet

    def middle(self, row: int) -> float:
        """Of the boxes of a row."""
        return self.height(row, self.along(row))

    def along(self, row: int) -> float:
        """The same along the way."""
        return self.levels.tops[row] + s.zone(self.halves, self.drawn, row)[0] / 2

    def field(self, row: int, own: Drawn) -> float:
        """The middle of the field of a box."""
        away = (own.high + own.below) / 2
        # on the way up it stands above, where others may stand behind the box
        return self.middle(row) + (-away if row < self.turn.row else away + s.EDGE)


def _assembled(
    found: Diagram,
    halves: Rows,
    drawn: Sequence[Drawn],
    turn: _Turn,
    x: dict[Place, float],
    width: float,
    ports: Sequence[Sequence[float]],
    levels: Levels,
) -> Page:
    """The page, its coordinates moved so that all are positive."""
    depth = halves.row_of
    sides = _Sides(halves, drawn, turn, levels, 0.0)
    outer = found.wires[turn.skips[0]]
    meet = sides.along(depth[outer.source]) + sides.along(depth[outer.target])
    sides = _Sides(halves, drawn, turn, levels, meet)
    at = {i: (x[i], sides.middle(depth[i])) for i in range(len(drawn))}
    fields = {i: (x[i], sides.field(depth[i], own)) for i, own in enumerate(drawn)}
    lines = [
        _skip(at[wire.source], at[wire.target], drawn[wire.source], drawn[wire.target])
        if k in turn.skips
        else _ways(way, ports[k], at, drawn, x, sides)
        for k, (wire, way) in enumerate(zip(found.wires, halves.routes, strict=True))
    ]
    notes = []
    down = [p for row in halves.rows[: turn.row] for p in row if isinstance(p, int)]
    inner = max(x[p] + drawn[p].room / 2 for p in down)
    readers = [wire.source for wire in found.wires]
    for k in turn.skips:
        source = found.wires[k].source
        note = inner + _between(found, drawn, turn) / 2, at[source][1]
        if readers.count(source) == 1:
            fields[source] = note
        else:
            notes.append((drawn[source].field, note))
    ends = [(y, own.high / 2) for own, (_, y) in zip(drawn, at.values(), strict=True)]
    ends += [(fields[i][1], own.below / 2) for i, own in enumerate(drawn)]
    ends += [(y, 0.0) for ways in lines for line in ways for _, y in line]
    low, top = min(y - half for y, half in ends), max(y + half for y, half in ends)
    up = s.EDGE - low

    def raised(points: Sequence[Point]) -> list[Point]:
        return [(a, b + up) for a, b in points]

    return Page(
        width,
        top - low + 2 * s.EDGE,
        dict(zip(at, raised(list(at.values())), strict=True)),
        dict(zip(fields, raised(list(fields.values())), strict=True)),
        [[raised(line) for line in ways] for ways in lines],
        [],
        [(text, raised([point])[0]) for text, point in notes],
    )


def _skip(a: Point, b: Point, source: Drawn, target: Drawn) -> list[list[Point]]:
    return [[(a[0] + source.width / 2, a[1]), (b[0] - target.width / 2, a[1])]]


def _ways(
    way: Sequence[Place],
    ports: Sequence[float],
    at: dict[int, Point],
    drawn: Sequence[Drawn],
    x: dict[Place, float],
    sides: _Sides,
) -> list[list[Point]]:
    """Lines of a wire within a column, or from the foot of the left to that of the right one."""
    depth, turn, levels = sides.halves.row_of, sides.turn, sides.levels
    a, b = way[0], way[-1]
    assert isinstance(a, int)
    assert isinstance(b, int)
    out = drawn[a].high / 2 * (-1 if depth[a] < turn.row else 1)
    into = drawn[b].high / 2 * (1 if depth[b] < turn.row else -1)
    start, end = (x[a], at[a][1] + out), at[b][1] + into
    if depth[a] < turn.row <= depth[b]:
        last = sides.height(turn.row - 1, levels.under[turn.row - 1])
        low = min(last, sides.height(turn.row, 0.0) - 0.08) - 0.06
        return [[start, (x[a], low), (port, low), (port, end)] for port in ports]
    found = []
    for port in ports:
        line = [start, (x[a], sides.height(depth[a], levels.under[depth[a]]))]
        for p in way[1:]:
            to = port if p is b else x[p]
            line.append((to, sides.height(depth[p], levels.tops[depth[p]] - s.EDGE)))
            if p is not b:
                line.append((to, sides.height(depth[p], levels.under[depth[p]])))
        found.append(s.bent([*line, (port, end)]))
    return found
