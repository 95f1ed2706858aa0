"""The least that a sweep has to do: its additions alone, on arrays that exist, nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

import erfgraph as eg
from erfgraph import axes

Shape = tuple[int, ...]


def additions(net: eg.Network) -> list[Shape]:
    """Shapes of what a float64 sweep from the centre unit adds, one for each tap of each axis.

    A link hands a window on axis by axis: a tap adds an array that has the lower map's extent on
    the axes before and the upper map's on those that follow. A link that copies adds only where
    another has written before.
    """
    windows = {name: m.counts.shape for name, m in eg.importances(net, exact=False).items()}
    written: Counter[int] = Counter()
    found: list[Shape] = []
    for m in reversed(net.maps):
        for link in m.links if m.name in windows else ():
            for term in link.terms:
                steps = list(_steps(term, windows[m.name], windows[net.maps[link.src].name]))
                copied = [windows[m.name]] if written[link.src] else []
                found += steps or copied
                written[link.src] += 1
    return found


def _steps(term: tuple[axes.AxisMap, ...], upper: Shape, lower: Shape) -> Iterator[Shape]:
    for i, axis in enumerate(term):
        if not axes.is_identity(axis):
            shape = (*lower[:i], *upper[i:])
            yield from [shape] * int(axes.row_sums(axis).max())


def call_by_call(shapes: list[Shape]) -> Callable[[], None]:
    """Each addition one call of NumPy."""
    largest = max(map(math.prod, shapes))
    into, what = np.zeros(largest), np.ones(largest)
    pairs = [(into[:n], what[:n]) for n in map(math.prod, shapes)]

    def add() -> None:
        for a, b in pairs:
            np.add(a, b, out=a)

    return add


def in_one(shapes: list[Shape]) -> Callable[[], None]:
    """As many numbers in a single call."""
    return call_by_call([(sum(map(math.prod, shapes)),)])


def numbers(net: eg.Network) -> int:
    """How many numbers the maps' windows hold."""
    return sum(m.counts.values.size for m in eg.importances(net, exact=False).values())
