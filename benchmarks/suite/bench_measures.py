"""The other measures, and channels that are told apart."""

from __future__ import annotations

import erfgraph as eg

NETWORKS = ["vgg16", "resnet50"]


class Edges:
    params = ([*NETWORKS, "inception_v3"],)
    param_names = ("network",)
    timeout = 300

    def setup(self, network: str) -> None:
        # cones that are no products go by lanes, which take long: a low map is enough
        self.layer = "Mixed_5b" if network == "inception_v3" else None
        self.net = eg.load(network)

    def time_edges(self, _: str) -> None:
        eg.importance(self.net, self.layer, measure="edges")


class Channels:
    """Every channel a node of its own."""

    params = (["resnet50", "mobilenet_v2", "shufflenet_v2_x1_0"],)
    param_names = ("network",)

    def setup(self, network: str) -> None:
        self.net = eg.load(network)
        eg.importance(self.net, channels="count")

    def time_map(self, _: str) -> None:
        eg.importance(self.net, channels="count").counts.values  # noqa: B018


class Weighted:
    """Gradients under averaging layers, and mean squares under random ones."""

    params = (NETWORKS, ["uniform", "variance"])
    param_names = ("network", "measure")

    def setup(self, network: str, measure: str) -> None:
        self.net = eg.load(network)
        eg.importance(self.net, measure=measure)

    def time_map(self, _: str, measure: str) -> None:
        eg.importance(self.net, measure=measure).values  # noqa: B018


class Initialised:
    """Variance where activations, norms and the authors' initialisation count."""

    params = (NETWORKS, ["sum", "channel"])
    param_names = ("network", "scalar")

    def setup(self, network: str, scalar: str) -> None:
        self.net = eg.load(network)

    def time_map(self, _: str, scalar: str) -> None:
        eg.importance(self.net, measure="variance", init="torchvision", scalar=scalar).values  # noqa: B018
