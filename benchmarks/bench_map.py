"""Path maps: the sweep by itself, by number type, by image size, by network."""

from __future__ import annotations

import erfgraph as eg
from erfgraph.explicit import graph


class Map:
    params = (["vgg16", "resnet50", "resnet152"], [224, 512], ["exact", "float"])
    param_names = ("network", "size", "numbers")

    def setup(self, network: str, size: int, numbers: str) -> None:
        self.net = eg.load(network, (size, size))
        self.exact = numbers == "exact"
        eg.importance(self.net, exact=self.exact)  # compile once

    def time_map(self, *_: object) -> None:
        eg.importance(self.net, exact=self.exact)

    def peakmem_map(self, *_: object) -> None:
        eg.importance(self.net, exact=self.exact)


class ImageSize:
    """Flat from 512 on: only the field's window is touched."""

    params = ([512, 1024, 2048, 4096],)
    param_names = ("size",)

    def setup(self, size: int) -> None:
        self.net = eg.load("resnet50", (size, size))
        eg.importance(self.net, exact=False)

    def time_map(self, _: int) -> None:
        eg.importance(self.net, exact=False)


class Edges:
    params = (["vgg16", "resnet50"],)
    param_names = ("network",)

    def setup(self, network: str) -> None:
        self.net = eg.load(network)
        eg.importance(self.net, measure="edges")

    def time_edges(self, _: str) -> None:
        eg.importance(self.net, measure="edges")


class Build:
    params = (["vgg16", "resnet152"],)
    param_names = ("network",)

    def time_network(self, network: str) -> None:
        eg.load(network)

    def time_first_map(self, network: str) -> None:
        eg.importance(eg.load(network))


class ExplicitGraph:
    params = ([224, 512],)
    param_names = ("size",)

    def setup(self, size: int) -> None:
        self.net = eg.load("vgg16", (size, size))

    def time_build(self, _: int) -> None:
        graph(self.net)

    def track_bytes_an_edge(self, _: int) -> float:
        g = graph(self.net)
        return g.n_bytes / g.n_edges
