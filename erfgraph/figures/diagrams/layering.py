"""Which boxes of a diagram stand in which row, and in which order beside each other.

The layered drawing of Sugiyama, Tagawa and Toda (1981): rows by the longest way from the input,
a lane through every row between for a map that is read further down, and an order of each row
with few crossings, found by the middles of what is connected (barycentres), sweeping up and down.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from erfgraph.diagram import Diagram
from erfgraph.figures.diagrams.guides import Place, behind_of

MANY = 6  # lanes to one box that become one
SWEEPS = 12  # over all rows
WORTH = 60_000  # places times sweeps beyond which fewer sweeps are made


@dataclass(frozen=True, slots=True)
class Rows:
    """Boxes and lanes by rows, from the input down.

    Attributes
    ----------
    rows : list of list of Place
        From left to right.
    routes : list of list of Place
        For every wire the places that it goes through, its ends included.
    parts : list of range
        For every repeated part of the diagram the rows that it has.
    """

    rows: list[list[Place]]
    routes: list[list[Place]]
    parts: list[range]

    @property
    def row_of(self) -> dict[Place, int]:
        """The row of every place."""
        return {p: i for i, row in enumerate(self.rows) for p in row}


def rows_of(found: Diagram, widths: Sequence[float], widest: float) -> Rows:
    """Rows of boxes and lanes, in an order with few crossings.

    Parameters
    ----------
    found : Diagram
    widths : sequence of float
        Room that each box takes.
    widest : float
        Room in a row: boxes that do not fit stand in the next.
    """
    depth = ranks(found, widths, widest)
    rows: list[list[Place]] = [[] for _ in range(max(depth) + 1)]
    for box, row in enumerate(depth):
        rows[row].append(box)
    shared = _shared(found, depth)
    routes: list[list[Place]] = []
    for wire in found.wires:
        lane = ~wire.target if (wire.source, wire.target) in shared else wire.source
        between = range(depth[wire.source] + 1, depth[wire.target])
        routes.append([wire.source, *((lane, row) for row in between), wire.target])
    for place in dict.fromkeys(p for way in routes for p in way if not isinstance(p, int)):
        rows[place[1]].append(place)
    links = list(dict.fromkeys(link for way in routes for link in pairwise(way)))
    parts = [
        range(min(depth[b] for b in part.boxes), max(depth[b] for b in part.boxes) + 1)
        for part in found.parts
    ]
    return Rows(untangled(rows, links), routes, parts)


def _shared(found: Diagram, depth: Sequence[int]) -> set[tuple[int, int]]:
    """Wires that go to a box which very many maps come to from afar: they share a lane there."""
    far = [(w.source, w.target) for w in found.wires if depth[w.target] - depth[w.source] > 1]
    outs, ins = Counter(s for s, _ in far), Counter(t for _, t in far)
    return {(s, t) for s, t in far if ins[t] >= MANY and outs[s] == 1}


def ranks(found: Diagram, widths: Sequence[float], widest: float) -> list[int]:
    """The row of each box: below all that it reads; the rows of a part are its alone.

    Of the boxes that might stand in a row, those come first that the longest way follows, until
    the row is full.
    """
    readers: list[list[int]] = [[] for _ in found.boxes]
    missing = [0] * len(found.boxes)  # sources that have no row yet
    for wire in found.wires:
        readers[wire.source].append(wire.target)
        missing[wire.target] += 1
    behind = behind_of(found)
    depth = [-1] * len(found.boxes)
    row = 0
    for section in _sections(found):
        ready = [(-behind[box], box) for box in section if not missing[box]]
        while ready:
            row_of_boxes, ready = _row(sorted(ready), widths, widest)
            for box in row_of_boxes:
                depth[box] = row
                for target in readers[box]:
                    missing[target] -= 1
                    if not missing[target] and target in section:
                        ready.append((-behind[target], target))
            row += 1
    return depth


def _row(
    ready: Sequence[tuple[int, int]], widths: Sequence[float], room: float
) -> tuple[list[int], list[tuple[int, int]]]:
    """The boxes of a row, of those that are ready, and the rest."""
    chosen: list[int] = []
    rest = []
    for key, box in ready:
        if not chosen or widths[box] <= room:
            chosen.append(box)
            room -= widths[box]
        else:
            rest.append((key, box))
    return chosen, rest


def _sections(found: Diagram) -> list[range]:
    """Boxes between, and in, the repeated parts."""
    edges = sorted(
        {0, len(found.boxes)}.union(*((p.boxes.start, p.boxes.stop) for p in found.parts))
    )
    return [range(a, b) for a, b in pairwise(edges)]


Links = Mapping[Place, Sequence[Place]]


def untangled(
    rows: Sequence[Sequence[Place]], links: Sequence[tuple[Place, Place]]
) -> list[list[Place]]:
    """Each row in an order in which few links cross."""
    above: dict[Place, list[Place]] = {}
    below: dict[Place, list[Place]] = {}
    for source, target in links:
        above.setdefault(target, []).append(source)
        below.setdefault(source, []).append(target)
    now = [list(row) for row in rows]
    best, fewest = [list(row) for row in now], _crossings(now, below)
    size = sum(map(len, rows))
    for sweep in range(min(SWEEPS, max(2, WORTH // max(size, 1)))):
        if not fewest:
            break
        _sort(now, above if sweep % 2 == 0 else below, upwards=sweep % 2 == 1)
        _swap(now, above, below)
        crossings = _crossings(now, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in now], crossings
    return best


def _sort(rows: list[list[Place]], beside: Links, *, upwards: bool) -> None:
    """Order each row by the middles of what its places are linked with in the row before."""
    at: dict[Place, float] = {}
    for row in reversed(rows) if upwards else rows:
        own = {p: float(i) for i, p in enumerate(row)}
        middle = {}
        for p in row:
            linked = [at[q] for q in beside.get(p, ()) if q in at]
            middle[p] = sum(linked) / len(linked) if linked else own[p]
        # of places with the same middle, lanes stand to the right of boxes
        row.sort(key=lambda p: (middle[p], not isinstance(p, int), own[p]))
        at = {p: float(i) for i, p in enumerate(row)}


def _swap(rows: list[list[Place]], above: Links, below: Links) -> None:
    """Exchange neighbours where fewer links cross then."""
    at = {p: i for row in rows for i, p in enumerate(row)}
    for row in rows:
        for i in range(len(row) - 1):
            a, b = row[i], row[i + 1]
            saved = 0
            for beside in (above, below):
                first, second = ([at[q] for q in beside.get(p, ())] for p in (a, b))
                saved += sum((x > y) - (x < y) for x in first for y in second)
            if saved > 0:
                row[i], row[i + 1] = b, a
                at[a], at[b] = i + 1, i


def _crossings(rows: Sequence[Sequence[Place]], below: Links) -> int:
    """Pairs of links that cross."""
    count = 0
    for row, after in pairwise(rows):
        at = {p: i for i, p in enumerate(after)}
        seen: list[int] = []
        for p in row:
            ends = sorted(at[q] for q in below.get(p, ()))
            count += sum(len(seen) - bisect(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count
