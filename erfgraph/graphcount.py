"""Counting on the explicit graph: sparse matrix products over all units of every map.

The second engine. It shares nothing with the matrix-free sweep but the layers' axis maps, so
that each proves the other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from erfgraph import memory, wide
from erfgraph.counts import LARGEST_INT64, Counts
from erfgraph.errors import SizeError
from erfgraph.explicit import Graph

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BATCH = 2048  # input units whose forward cones are held at once


def count_paths(g: Graph, start: int, unit: tuple[int, ...], stop: int) -> Counts:
    """Paths from every unit of map `stop` to a unit of map `start`.

    Parameters
    ----------
    g : Graph
    start, stop : int
        Indices of feature maps.
    unit : tuple of int

    Returns
    -------
    Counts
        Exact integers on the whole map.

    Raises
    ------
    SizeError
        If a unit is read more than 2**24 times by one layer.
    """
    pairs = [pair for pair in g.blocks if stop <= pair[0] and pair[1] <= start]
    bound = dict.fromkeys(range(stop, start + 1), 0)
    bound[start] = 1
    order = sorted(pairs, reverse=True, key=lambda pair: pair[1])
    for src, dst in order:
        into = np.asarray(g.blocks[src, dst].sum(axis=0)).max(initial=0)
        bound[src] += bound[dst] * int(into)
    most = max(bound.values())
    lanes = 1 if most <= LARGEST_INT64 else wide.limbs_for(most)
    units = {index: math.prod(g.maps[index].shape) for index in (start, stop)}
    held = {start: np.zeros((units[start], lanes), dtype=np.int64)}
    held[start][np.ravel_multi_index(unit, g.maps[start].shape), 0] = 1
    for dst in range(start, stop, -1):
        values = held.pop(dst, None)
        if values is None:
            continue
        if lanes > 1:
            wide.carry(values.T)
        for src in {s for s, d in order if d == dst}:
            block = g.blocks[src, dst]
            if lanes > 1 and int(block.sum(axis=1).max()) >= 1 << 24:
                raise SizeError("a unit is read too often for the explicit graph's counts")
            part = block @ values
            held[src] = held[src] + part if src in held else part
            if lanes > 1:
                wide.carry(held[src].T)
    found = held.get(stop, np.zeros((units[stop], 1), dtype=np.int64))
    limbs = np.array(found.T, order="C").reshape(-1, *g.maps[stop].shape)
    wide.carry(limbs)
    return Counts(wide.narrow(limbs))


def count_edges(g: Graph, start: int, unit: tuple[int, ...], stop: int) -> Counts:
    """Distinct edges on some path from every unit of map `stop` to a unit of map `start`."""
    back = reaching(g, start, unit, stop)
    leading = {index: np.zeros(len(hit), dtype=np.int64) for index, hit in back.items()}
    cone: dict[tuple[int, int], csr_array] = {}
    for (src, dst), block in g.blocks.items():
        if src in back and dst in back:
            pattern = block.astype(bool).astype(np.int64)
            leading[src] += pattern @ back[dst].astype(np.int64)
            cone[src, dst] = pattern[back[src]][:, back[dst]]
    inputs = np.flatnonzero(back[stop])
    total = np.zeros(len(back[stop]), dtype=np.int64)
    for first in range(0, len(inputs), BATCH):
        members = np.arange(first, min(first + BATCH, len(inputs)))
        total[inputs[members]] = _edges_ahead(cone, leading, back, stop, members)
    return Counts(total.reshape(g.maps[stop].shape))


def reaching(g: Graph, start: int, unit: tuple[int, ...], stop: int) -> dict[int, np.ndarray]:
    """For every map between two, which of its units have a path to the unit, bool."""
    back = {
        index: np.zeros(math.prod(g.maps[index].shape), dtype=bool)
        for index in range(stop, start + 1)
    }
    back[start][np.ravel_multi_index(unit, g.maps[start].shape)] = True
    for src, dst in sorted(g.blocks, key=lambda pair: -pair[1]):
        if stop <= src and dst <= start and back[dst].any():
            back[src] |= (g.blocks[src, dst] @ back[dst].astype(np.int64)) > 0
    return back


def _edges_ahead(
    cone: dict[tuple[int, int], csr_array],
    leading: dict[int, np.ndarray],
    back: dict[int, np.ndarray],
    stop: int,
    members: np.ndarray,
) -> np.ndarray:
    """For a batch of input units, the leading edges of all that each of them reaches."""
    from scipy.sparse import csr_array

    n = len(members)
    forward = {
        stop: csr_array(
            (np.ones(n, dtype=np.int64), (np.arange(n), members)), (n, int(back[stop].sum()))
        )
    }
    ahead = np.zeros(n, dtype=np.int64)
    for index in sorted(back):
        parts = [forward[s] @ cone[s, d] for s, d in cone if d == index and s in forward]
        if parts:
            reached = sum(parts[1:], start=parts[0])
            memory.require(reached.nnz * 24, "the forward cones of the explicit graph")
            reached.data[:] = 1
            forward[index] = reached
        if index in forward:
            ahead += forward[index] @ leading[index][back[index]]
    return ahead
