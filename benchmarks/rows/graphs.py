"""The explicit graph against a plain loop over `scipy.sparse.kron`, and others who count on it."""

from __future__ import annotations

from importlib import util

import scipy.sparse as sp

import erfgraph as eg
from benchmarks import graph_peers
from benchmarks.timing import Fact, Row, Work, calls
from erfgraph import axes
from erfgraph.network import unit_of

SIZES = (224, 512)
BYTES_AN_EDGE = 13


def kron_blocks(net: eg.Network) -> list[sp.csr_array]:
    """The block of every layer, as SciPy makes it from the layer's axis matrices."""
    return [
        sp.kron(*(axes.matrix(axes.transpose(axis)) for axis in term), format="csr")
        for m in net.maps
        for link in m.links
        for term in link.terms
    ]


def build(size: int) -> Row:
    net = eg.load("vgg16", (size, size))
    return Row(
        Work(f"explicit graph of VGG-16, {size}²", calls(lambda: eg.graph(net))),
        Work("scipy.sparse.kron per layer in a plain loop", calls(lambda: kron_blocks(net))),
        "as long",
        1,
    )


def bytes_an_edge(size: int) -> float:
    graph = eg.graph(eg.load("vgg16", (size, size)))
    return graph.n_bytes / graph.n_edges


# --- others who count paths on the graph --------------------------------------------------


def products() -> list[Row]:
    """A map against products of sparse matrices, whose blocks are made beforehand."""
    net = eg.load("vgg16")
    graph, unit = eg.graph(net), unit_of(net.output, None)
    flat = unit[0] * net.output.shape[1] + unit[1]
    scipy = graph_peers.scipy_blocks(graph)
    clocks = {"SciPy": calls(lambda: graph_peers.scipy_paths(graph, scipy, flat))}
    if util.find_spec("graphblas"):
        blas = graph_peers.graphblas_blocks(graph)
        clocks["GraphBLAS"] = calls(lambda: graph_peers.graphblas_paths(graph, blas, flat))
    ours = Work(
        "VGG-16, 224², path map, float64", calls(lambda: eg.importance(net, exact=False).values)
    )
    return [
        Row(ours, Work(f"products in {name} on the explicit graph, built before", clock), "faster")
        for name, clock in clocks.items()
    ]


def objects() -> Row:
    """Counts of paths from every unit, in Python over networkx's objects and by a sweep."""
    net = eg.load("res(conv3p1 conv3p1)*2", (32, 32))
    graph = eg.graph(net)
    digraph, unit = graph.to_networkx(), graph.unit(graph.node(net.output))
    return Row(
        Work(
            "two residual blocks on 32², maps of all feature maps, exact integers",
            calls(lambda: dict(eg.importances(net))),
        ),
        Work(
            "networkx, node after node, graph built before",
            calls(lambda: graph_peers.networkx_paths(digraph, unit)),
        ),
        "faster",
    )


def rows() -> list[Row | Fact]:
    return [
        *(build(size) for size in SIZES),
        *(
            Fact(
                f"explicit graph of VGG-16, {size}²",
                "bytes held an edge",
                lambda size=size: bytes_an_edge(size),
                BYTES_AN_EDGE,
            )
            for size in SIZES
        ),
        *products(),
        objects(),
    ]
