"""Where the rows of a diagram may be cut into strips that stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from erfgraph.figures.diagrams.guides import Place
from erfgraph.figures.diagrams.layering import Rows

HALVINGS = 24  # of the range in which the height of the tallest strip is looked for


def lanes_before(laid: Rows) -> list[int]:
    """For each row how many maps come into it from above; within a part more than can be."""
    counts = [0] * len(laid.rows)
    row_of = laid.row_of
    seen: set[Place] = set()
    for way in laid.routes:
        for a in way[:-1]:
            if a not in seen:
                seen.add(a)
                counts[row_of[a] + 1] += 1
    for rows in laid.parts:
        for row in rows[1:]:
            counts[row] = len(seen) + 1
    return counts


def cut_rows(heights: Sequence[float], allowed: Sequence[int], count: int) -> tuple[int, ...]:
    """First rows of at most `count` strips, the tallest as low as it can be.

    Parameters
    ----------
    heights : sequence of float
        Of the rows.
    allowed : sequence of int
        Rows with which a strip may begin.
    count : int

    Examples
    --------
    >>> cut_rows([1, 1, 1, 1, 1], [1, 3, 4], 2)
    (0, 3)
    """
    sums = [0.0]
    for high in heights:
        sums.append(sums[-1] + high)
    ends = [*allowed, len(heights)]
    low, high = max(heights), sums[-1]  # the whole as one strip fits into the last
    starts: tuple[int, ...] = (0,)
    for _ in range(HALVINGS):
        limit = (low + high) / 2
        now = _filled(sums, ends, limit)
        fits = all(sums[b] - sums[a] <= limit for a, b in pairwise([*now, len(heights)]))
        if fits and len(now) <= count:
            starts, high = tuple(now), limit
        else:
            low = limit
    return starts


def _filled(sums: Sequence[float], ends: Sequence[int], limit: float) -> list[int]:
    """Where strips start that are filled one after the other up to a height."""
    starts = [0]
    for row, after in pairwise(ends):
        if sums[after] - sums[starts[-1]] > limit:
            starts.append(row)
    return starts
