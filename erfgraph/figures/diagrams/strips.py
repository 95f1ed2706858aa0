"""The rows of a diagram cut into strips that stand beside each other, and its lines.

Within a row there are three zones: lines come in from the row above, boxes, and fields. Lines
run aslant only where no box and no field is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from erfgraph.diagram import Diagram
from erfgraph.figures.diagrams.boxes import LEADING, PART_TEXT, Drawn, points
from erfgraph.figures.diagrams.guides import Guides, Place, doors_of, mains_of
from erfgraph.figures.diagrams.layering import Rows
from erfgraph.figures.diagrams.spreading import Extent, spread

Point = tuple[float, float]
TINY = 1e-6
GAP, LANE = 0.1, 0.035  # inches between places, and to each side of a lane
ENTER, STEEP, MOST = 0.11, 0.16, 0.5  # height of the zone of lines: least, by width, and most
TRACK = 0.07  # between lines that go to the next strip
GUTTER = 0.16
PORT = 0.09  # between the tips of lines that end at one box
EDGE = 0.03  # for the edges of boxes and for those that stand behind them
FRAME = 0.055  # from a frame to what it holds


@dataclass(frozen=True, slots=True)
class Page:
    """Places in inches, y upwards from the bottom of the drawing.

    Attributes
    ----------
    width, height : float
    at : dict of int to (x, y)
        Middle of every box.
    fields : dict of int to (x, y)
        Middle of the field below it.
    lines : list of list of list of (x, y)
        For every wire the corners from box to box, once for each time that it is read.
    frames : list of (left, bottom, right, top)
        Of the repeated parts.
    notes : list of (str, (x, y))
        Fields that are said once more, where a line is long.
    """

    width: float
    height: float
    at: dict[int, Point]
    fields: dict[int, Point]
    lines: list[list[list[Point]]] = field(repr=False)
    frames: list[tuple[float, float, float, float]] = field(repr=False)
    notes: list[tuple[str, Point]] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Levels:
    """Heights of every row: top of its boxes, and of the space below its fields."""

    tops: list[float]
    under: list[float]


@dataclass(frozen=True, slots=True)
class Strips:
    """Rows in strips, placed from left to right.

    Attributes
    ----------
    starts : tuple of int
        First row of each strip.
    x : dict of Place to float
        Middle of every place.
    rights : list of float
        Right edge of each strip.
    crossing : list of list of Place
        Per strip the last places before it of the maps that come into it, from left to right.
    """

    starts: tuple[int, ...]
    x: dict[Place, float]
    rights: list[float]
    crossing: list[list[Place]]

    def strip(self, row: int) -> int:
        """The strip in which a row stands."""
        return sum(start <= row for start in self.starts) - 1


def page_of(found: Diagram, laid: Rows, drawn: Sequence[Drawn], starts: Sequence[int]) -> Page:
    """Coordinates of everything, strips from left to right.

    Parameters
    ----------
    found : Diagram
    laid : Rows
    drawn : sequence of Drawn
        Of the boxes.
    starts : sequence of int
        First row of each strip.
    """
    strips = _strips(found, laid, drawn, starts)
    ports = ports_of(found, laid, drawn, strips.x, starts)
    levels, height = _levels(laid, drawn, strips, ports)
    row_of = laid.row_of
    at: dict[int, Point] = {}
    fields: dict[int, Point] = {}
    for box, own in enumerate(drawn):
        row = row_of[box]
        bottom = levels.under[row] + zone(laid, drawn, row)[1]
        at[box] = strips.x[box], (levels.tops[row] + bottom) / 2
        fields[box] = strips.x[box], at[box][1] - (own.high + own.below) / 2
    lines = []
    tracks = _tracks(strips, levels, height)
    for wire, way, port in zip(found.wires, laid.routes, ports, strict=True):
        start = strips.x[wire.source], at[wire.source][1] - drawn[wire.source].high / 2
        end = at[wire.target][1] + drawn[wire.target].high / 2
        ways = [
            bent([start, *_between(way, x, strips, levels, row_of, tracks), (x, end)])
            for x in port
        ]
        lines.append(ways)
    frames = [_frame(found, laid, drawn, k, strips.x, levels) for k in range(len(found.parts))]
    return Page(strips.rights[-1] + EDGE, height, at, fields, lines, frames)


def bent(line: Sequence[Point]) -> list[Point]:
    """The corners of a line, each once."""
    return [line[0], *(b for a, b in pairwise(line) if math.dist(a, b) > TINY)]


def _strips(found: Diagram, laid: Rows, drawn: Sequence[Drawn], starts: Sequence[int]) -> Strips:
    spans = list(zip(starts, (*starts[1:], len(laid.rows)), strict=True))
    row_of, extents = laid.row_of, extents_of(found, laid, drawn)
    links = list(dict.fromkeys(link for way in laid.routes for link in pairwise(way)))
    guides = Guides(mains_of(found), doors_of(found))
    x: dict[Place, float] = {}
    rights: list[float] = []
    crossing: list[list[Place]] = []
    for a, b in spans:
        over = dict.fromkeys(p for p, q in links if row_of[q] == a and a)
        crossing.append(sorted(over, key=lambda p: x[p]))
        left = rights[-1] + GUTTER + TRACK * len(over) if rights else EDGE
        placed = spread(laid.rows[a:b], links, guides, extents, GAP)
        x |= {p: left + value for p, value in placed.items()}
        rights.append(left + max(value + extents[p][1] for p, value in placed.items()))
    return Strips(tuple(starts), x, rights, crossing)


def extents_of(found: Diagram, laid: Rows, drawn: Sequence[Drawn]) -> dict[Place, Extent]:
    """Room to the left and right of every place; beside a frame for what is written there."""
    room = {p: _extent(p, drawn) for row in laid.rows for p in row}
    before = points(PART_TEXT) * LEADING / 72 + 0.03 + FRAME
    for k in range(len(found.parts)):
        for row in (row for row in inside(found, laid, k) if row):
            room[row[0]] = (room[row[0]][0] + before, room[row[0]][1])
            room[row[-1]] = (room[row[-1]][0], room[row[-1]][1] + FRAME)
    return room


def _extent(place: Place, drawn: Sequence[Drawn]) -> Extent:
    half = drawn[place].room / 2 if isinstance(place, int) else LANE
    return half, half


def inside(found: Diagram, laid: Rows, part: int) -> list[list[Place]]:
    """By rows the boxes of a part, and the lanes of what they read."""
    boxes = found.parts[part].boxes
    own = {
        p
        for wire, way in zip(found.wires, laid.routes, strict=True)
        if wire.target in boxes
        for p in way
    }
    rows = [laid.rows[i] for i in laid.parts[part]]
    return [[p for p in row if (p in boxes if isinstance(p, int) else p in own)] for row in rows]


def ports_of(
    found: Diagram,
    laid: Rows,
    drawn: Sequence[Drawn],
    x: dict[Place, float],
    starts: Collection[int],
    aside: Collection[int] = (),
) -> list[list[float]]:
    """For every wire where it ends: once for each time that its target reads it.

    Into the rows of `starts` they come from straight above; wires of the numbers `aside` from
    the side.
    """
    ends: list[dict[tuple[Place, int], float]] = [{} for _ in drawn]
    row_of = laid.row_of
    for i, (wire, way) in enumerate(zip(found.wires, laid.routes, strict=True)):
        near = row_of[wire.target] not in starts
        for k in range(wire.count if i not in aside else 0):
            # what comes along one lane ends at one point
            ends[wire.target][way[-2], k] = x[way[-2]] if near else x[wire.target]
    places: dict[tuple[int, Place, int], float] = {}
    for box, coming in enumerate(ends):
        half = drawn[box].width / 2 - 0.06
        order = sorted(coming, key=lambda end: coming[end])
        wanted = [min(max(coming[end] - x[box], -half), half) for end in order]
        for (place, k), offset in zip(order, _apart(wanted, half), strict=True):
            places[box, place, k] = x[box] + offset
    return [
        [places[wire.target, way[-2], k] for k in range(wire.count) if i not in aside]
        for i, (wire, way) in enumerate(zip(found.wires, laid.routes, strict=True))
    ]


def _apart(wanted: list[float], half: float) -> list[float]:
    """The same, a step apart at least: outwards from the one nearest to the middle."""
    if len(wanted) < 2:
        return wanted
    step = min(PORT, 2 * half / (len(wanted) - 1))
    if step * (len(wanted) - 1) >= 2 * half - 1e-9:
        return [-half + step * i for i in range(len(wanted))]
    middle = min(range(len(wanted)), key=lambda i: abs(wanted[i]))
    step = min(step, half / max(middle, len(wanted) - 1 - middle))  # its line stays upright
    found = list(wanted)
    for i in range(middle - 1, -1, -1):
        found[i] = min(found[i], found[i + 1] - step)
    for i in range(middle + 1, len(found)):
        found[i] = max(found[i], found[i - 1] + step)
    last = len(found) - 1
    return [
        max(-half + step * i, min(value, half - step * (last - i)))
        for i, value in enumerate(found)
    ]


def zone(laid: Rows, drawn: Sequence[Drawn], row: int) -> tuple[float, float]:
    """Heights of the boxes and of the fields of a row."""
    boxes = [drawn[p] for p in laid.rows[row] if isinstance(p, int)]
    return max((b.high for b in boxes), default=0.0), max((b.below for b in boxes), default=0.0)


def entering(
    laid: Rows, x: dict[Place, float], ports: Sequence[Sequence[float]], starts: Sequence[int]
) -> list[float]:
    """For each row the height of the zone above it, in which lines run aslant."""
    enter = [ENTER] * len(laid.rows)
    row_of = laid.row_of
    for way, port in zip(laid.routes, ports, strict=True):
        for a, b in pairwise(way):
            row = row_of[b]
            if row - row_of[a] == 1 and row not in starts:
                ends = port if b is way[-1] else [x[b]]
                aslant = max(abs(end - x[a]) for end in ends)
                enter[row] = max(enter[row], min(STEEP * aslant + 0.05, MOST))
    return enter


def _levels(
    laid: Rows, drawn: Sequence[Drawn], strips: Strips, ports: Sequence[Sequence[float]]
) -> tuple[Levels, float]:
    """Heights of the rows, with room for lines that run aslant, and of the page."""
    enter = entering(laid, strips.x, ports, strips.starts)
    low = [TRACK * (len(c) + 0.3) if c else 0.0 for c in (*strips.crossing[1:], [])]
    over = max(TRACK * len(c) for c in strips.crossing) + ENTER if len(low) > 1 else 0.0
    tops, under, depths = [], [], []
    y = 0.0
    for row in range(len(laid.rows)):
        if row in strips.starts:
            y = -over
        else:
            y -= enter[row]
        tops.append(y)
        y -= sum(zone(laid, drawn, row))
        under.append(y)
        depths.append(y - low[strips.strip(row)])
    height = 2 * EDGE - min(depths)
    up = height - EDGE
    return Levels([t + up for t in tops], [u + up for u in under]), height


Tracks = dict[Place, tuple[float, float, float]]  # height below, place between, height above


def _tracks(strips: Strips, levels: Levels, height: float) -> Tracks:
    """How lines go on to the next strip: below all, between the strips, above all."""
    found: Tracks = {}
    for k, places in enumerate(strips.crossing):
        for j, p in enumerate(places):
            last = levels.under[strips.starts[k] - 1]
            after = len(places) - j
            between = strips.rights[k - 1] + GUTTER / 2 + TRACK * (after - 1)
            highest = max(len(c) for c in strips.crossing)
            found[p] = last - TRACK * after, between, height - TRACK * (highest - 0.5 - j) - EDGE
    return found


def _between(
    way: Sequence[Place],
    port: float,
    strips: Strips,
    levels: Levels,
    row_of: dict[Place, int],
    tracks: Tracks,
) -> list[Point]:
    """The corners of a line from below the field at its source to above its target."""
    corners = [(strips.x[way[0]], levels.under[row_of[way[0]]])]
    for a, b in pairwise(way):
        to = port if b is way[-1] else strips.x[b]
        if strips.strip(row_of[b]) != strips.strip(row_of[a]):
            low, between, high = tracks[a]
            corners += [(strips.x[a], low), (between, low), (between, high), (to, high)]
        corners.append((to, levels.tops[row_of[b]] + EDGE))
        if b is not way[-1]:
            corners.append((to, levels.under[row_of[b]]))
    return corners


def _frame(
    found: Diagram,
    laid: Rows,
    drawn: Sequence[Drawn],
    part: int,
    x: dict[Place, float],
    levels: Levels,
) -> tuple[float, float, float, float]:
    rows = laid.parts[part]
    sides = [
        (x[p] - _extent(p, drawn)[0], x[p] + _extent(p, drawn)[1])
        for row in inside(found, laid, part)
        for p in row
    ]
    left, right = min(a for a, _ in sides) - FRAME, max(b for _, b in sides) + FRAME
    return left, levels.under[rows[-1]] - 0.01, right, levels.tops[rows[0]] + 0.045
