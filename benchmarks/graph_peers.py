"""Path counting by others on the explicit graph: networkx in Python, GraphBLAS by products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from erfgraph.explicit import Graph, Unit

if TYPE_CHECKING:
    import networkx as nx

Blocks = list[tuple[int, int, Any]]


def networkx_paths(digraph: nx.DiGraph[Unit], unit: Unit) -> dict[Unit, int]:
    """Number of paths from every node to a unit, node after node from the unit down."""
    import networkx as nx

    paths = dict.fromkeys(digraph, 0)
    paths[unit] = 1
    for v in reversed(list(nx.topological_sort(digraph))):
        if paths[v]:
            for u, _, times in digraph.in_edges(v, data="multiplicity"):
                paths[u] += times * paths[v]
    return paths


def scipy_blocks(graph: Graph) -> Blocks:
    """Source, target and multiplicities of every pair of joined maps, in float64."""
    return [(u, v, block.astype(np.float64)) for (u, v), block in graph.blocks.items()]


def graphblas_blocks(graph: Graph) -> Blocks:
    """The same as GraphBLAS matrices, a row for every target: what it hands to its sources."""
    import graphblas as gb

    return [(u, v, gb.io.from_scipy_sparse(b.T.tocsr())) for u, v, b in scipy_blocks(graph)]


def scipy_paths(graph: Graph, blocks: Blocks, unit: int) -> np.ndarray:
    """Paths from every position of the input to a unit of the last map, as a flat array."""
    sizes = np.diff(graph.offsets)
    held = {len(sizes) - 1: np.eye(1, sizes[-1], unit)[0]}
    for source, target, block in _downwards(blocks):
        if target in held:
            held[source] = held.get(source, 0) + block @ held[target]
    return held[0]


def graphblas_paths(graph: Graph, blocks: Blocks, unit: int) -> np.ndarray:
    """As `scipy_paths`, by products in GraphBLAS of a sparse vector and a matrix."""
    import graphblas as gb

    sizes = np.diff(graph.offsets)
    held = {len(sizes) - 1: gb.Vector.from_coo([unit], [1.0], size=int(sizes[-1]))}
    for source, target, block in _downwards(blocks):
        if target in held:
            into = held.setdefault(source, gb.Vector(gb.dtypes.FP64, size=int(sizes[source])))
            into(gb.binary.plus) << gb.semiring.plus_times(held[target] @ block)
    return held[0].to_dense(fill_value=0.0)


def _downwards(blocks: Blocks) -> Blocks:
    """From the last map down, so that a map has received everything before it hands on."""
    return sorted(blocks, key=lambda block: -block[1])
