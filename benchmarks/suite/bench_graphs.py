"""The explicit graph, and path counting on it: ours, SciPy's, networkx's and GraphBLAS's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import erfgraph as eg
from benchmarks import graph_peers
from benchmarks.rows.graphs import bytes_an_edge, kron_blocks
from erfgraph.network import unit_of


class ExplicitGraph:
    params = ([224, 512],)
    param_names = ("size",)

    def setup(self, size: int) -> None:
        self.net = eg.load("vgg16", (size, size))

    def time_graph(self, _: int) -> None:
        eg.graph(self.net)

    def time_scipy_kron(self, _: int) -> None:
        kron_blocks(self.net)

    def peakmem_graph(self, _: int) -> None:
        eg.graph(self.net)

    def track_bytes_an_edge(self, size: int) -> float:
        return bytes_an_edge(size)


class SmallGraph:
    """Paths from every unit to one, on graphs that networkx holds as Python objects."""

    params = (["conv3*20", "conv3p1*4", "res(conv3p1 conv3p1)*2"], ["erfgraph", "networkx"])
    param_names = ("network", "engine")

    def setup(self, network: str, engine: str) -> None:
        graph = eg.graph(eg.load(network, None if network == "conv3*20" else (32, 32)))
        digraph, unit = graph.to_networkx(), graph.unit(graph.node(graph.network.output))
        self.count: Callable[[], object] = {
            "erfgraph": lambda: dict(eg.importances(graph.network)),
            "networkx": lambda: graph_peers.networkx_paths(digraph, unit),
        }[engine]

    def time_paths(self, *_: object) -> None:
        self.count()


class LargeGraph:
    """Paths to one unit by products of sparse matrices, and without any."""

    params = (
        ["vgg16", "resnet50"],
        ["erfgraph", "erfgraph on the graph", "scipy", "python-graphblas"],
    )
    param_names = ("network", "engine")

    def setup(self, network: str, engine: str) -> None:
        net = eg.load(network)
        if engine == "erfgraph":
            self.count: Callable[[], object] = lambda: eg.importance(net, exact=False).values
            return
        graph, unit = eg.graph(net), unit_of(net.output, None)
        flat = unit[0] * net.output.shape[1] + unit[1]
        if engine == "erfgraph on the graph":
            self.count = lambda: eg.importance(graph, exact=False).values
        elif engine == "scipy":
            scipy = graph_peers.scipy_blocks(graph)
            self.count = lambda: graph_peers.scipy_paths(graph, scipy, flat)
        elif importlib.util.find_spec("graphblas") is None:
            raise NotImplementedError("python-graphblas is not installed")
        else:
            graphblas = graph_peers.graphblas_blocks(graph)
            self.count = lambda: graph_peers.graphblas_paths(graph, graphblas, flat)

    def time_paths(self, *_: object) -> None:
        self.count()
