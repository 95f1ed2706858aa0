"""How far from the left the places of a diagram's rows stand, their order given.

A linear programme, as in Gansner, Koutsofios, North and Vo, "A technique for drawing directed
graphs" (1993): links as upright as the room that the places take allows, lanes above all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from erfgraph.figures.diagrams.guides import Guides, Place

Extent = tuple[float, float]  # to the left and to the right of the middle
# what it costs, for each inch, if a link is not upright
LANE, CHAIN, FORK, MERGE, OTHER, WIDTH = 8.0, 2.0, 1.5, 1.0, 0.12, 0.3


def spread(
    rows: Sequence[Sequence[Place]],
    links: Sequence[tuple[Place, Place]],
    guides: Guides,
    extents: Mapping[Place, Extent],
    gap: float,
) -> dict[Place, float]:
    """Positions from the left edge of all that the places take.

    Parameters
    ----------
    rows : sequence of sequence of Place
        Of one strip.
    links : sequence of (Place, Place)
        From one row to the next.
    guides : Guides
    extents : mapping of Place to (float, float)
        Room that each takes to its left and right.
    gap : float
        Room between two.
    """
    number = {p: i for i, p in enumerate(p for row in rows for p in row)}
    wanted = _wanted(number, links, guides)
    found = _solved(number, rows, wanted, extents, gap)
    left = min(found[i] - extents[p][0] for p, i in number.items())
    return {p: float(found[i] - left) for p, i in number.items()}


Term = tuple[float, dict[int, float]]  # weight, and a sum that should be zero


def _wanted(
    number: Mapping[Place, int],
    links: Sequence[tuple[Place, Place]],
    guides: Guides,
) -> list[Term]:
    """What should be zero: differences of linked places, of forks and their branches' middle."""
    outs: dict[Place, list[Place]] = {}
    ins: dict[Place, list[Place]] = {}
    for a, b in links:
        if a in number and b in number:
            outs.setdefault(a, []).append(b)
            ins.setdefault(b, []).append(a)
    terms: list[Term] = []
    for a, readers in outs.items():
        boxes = [b for b in readers if isinstance(b, int)]
        if isinstance(a, int) and len(boxes) > 2:
            middle = {number[b]: -1 / len(boxes) for b in boxes}
            terms.append((FORK, {number[a]: 1.0, **middle}))
        for b in readers:
            spine = len(boxes) < 3 and guides.mains.get(a) == b
            weight = _weight(a, b, len(ins[b]), spine=spine)
            terms.append((weight, {number[a]: 1.0, number[b]: -1.0}))
    for merge, door in guides.doors.items():
        if merge in number and door in number:
            terms.append((MERGE, {number[merge]: 1.0, number[door]: -1.0}))
    return terms


def _weight(a: Place, b: Place, sources: int, *, spine: bool) -> float:
    if not isinstance(a, int) and not isinstance(b, int):
        return LANE
    if isinstance(a, int) and isinstance(b, int) and sources == 1:
        return CHAIN if spine else 2 * OTHER
    return 4 * OTHER if spine else OTHER


def _solved(
    number: Mapping[Place, int],
    rows: Sequence[Sequence[Place]],
    wanted: Sequence[Term],
    extents: Mapping[Place, Extent],
    gap: float,
) -> Any:
    """Positions with the smallest sum of weighted differences and width."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    n, m = len(number), len(wanted)
    width = n + m  # places, sizes of the differences, and the width of all
    entries: list[tuple[int, int, float]] = []
    bounds: list[float] = []

    def at_most(row: Mapping[int, float], bound: float) -> None:
        entries.extend((len(bounds), column, value) for column, value in row.items())
        bounds.append(bound)

    for k, (_, row) in enumerate(wanted):
        for sign in (1, -1):
            at_most({**{i: sign * v for i, v in row.items()}, n + k: -1.0}, 0.0)
    for places in rows:
        for a, b in pairwise(places):
            at_most({number[a]: 1.0, number[b]: -1.0}, -(extents[a][1] + extents[b][0] + gap))
        if places:
            at_most({number[places[-1]]: 1.0, width: -1.0}, -extents[places[-1]][1])
    low = [(extents[p][0], None) for p in number]
    costs = [*[0.0] * n, *[weight for weight, _ in wanted], WIDTH]
    lines, columns, values = zip(*entries, strict=True)
    matrix = coo_array((values, (lines, columns)), shape=(len(bounds), width + 1)).tocsr()
    # always solved: a row may be as wide as it must; the stubs know no sparse matrices here
    solve: Any = linprog
    done = solve(
        np.array(costs), A_ub=matrix, b_ub=np.array(bounds), bounds=[*low, *[(0, None)] * (m + 1)]
    )
    return done.x[:n]
