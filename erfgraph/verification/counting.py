"""Path and edge counts in three ways: by sweep, on the explicit graph, by walking every path."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from erfgraph import explicit, sweeps
from erfgraph.explicit import Unit
from erfgraph.network import Network, unit_of


def by_sweep(net: Network, unit: Any = None, measure: str = "paths") -> np.ndarray:
    """Importance of every input unit, matrix-free."""
    return sweeps.importance(net, unit=unit, measure=measure).values


def by_graph(net: Network, unit: Any = None, measure: str = "paths") -> np.ndarray:
    """The same by sparse products on the explicit graph."""
    return sweeps.importance(explicit.graph(net), unit=unit, measure=measure).values


def by_enumeration(net: Network, unit: Any = None, measure: str = "paths") -> np.ndarray:
    """The same by walking every path of the graph as networkx holds it, one after the other."""
    values = np.zeros(net.input.shape, dtype=np.int64)
    edges: dict[tuple[int, ...], set[tuple[Unit, Unit]]] = {}
    for path, times in walked(net, unit):
        start = path[-1].position
        values[start] += times
        if measure == "edges":
            edges.setdefault(start, set()).update(zip(path[1:], path, strict=False))
    for start, found in edges.items():
        values[start] = len(found)
    return values


def walked(net: Network, unit: Any = None) -> Iterator[tuple[list[Unit], int]]:
    """Every path from the unit down to the input, and its multiplicities multiplied."""
    import networkx as nx

    top = net.output
    whole = explicit.graph(net).to_networkx().reverse(copy=False)
    start = Unit(top.name, unit_of(top, unit))
    ends = [n for n in nx.descendants(whole, start) if n.layer == net.input.name]
    for path in nx.all_simple_paths(whole, start, ends):
        times = 1
        for u, v in itertools.pairwise(path):
            times *= whole.edges[u, v]["multiplicity"]
        yield path, times


COUNTERS: dict[str, Callable[..., np.ndarray]] = {
    "sweep": by_sweep,
    "explicit graph": by_graph,
    "enumeration": by_enumeration,
}
