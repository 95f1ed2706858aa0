"""Path maps: by network, image size and number type; of all feature maps, of all units."""

from __future__ import annotations

import erfgraph as eg
from benchmarks.rows.sweeps import at_once, made, one_by_one

NETWORKS = ["vgg16", "resnet50", "resnet152", "densenet121"]
NUMBERS = ["exact", "float64"]


class Map:
    """One map of a network that is built, its plan compiled."""

    params = (NETWORKS, [224, 512], NUMBERS)
    param_names = ("network", "size", "numbers")

    def setup(self, network: str, size: int, numbers: str) -> None:
        self.net = eg.load(network, (size, size))
        self.exact = numbers == "exact"
        eg.importance(self.net, exact=self.exact)

    def time_map(self, *_: object) -> None:
        made([eg.importance(self.net, exact=self.exact)])


class Memory:
    """Peak memory of the process, interpreter and libraries included."""

    params = (["resnet50", "resnet152"], NUMBERS, ["one map", "all maps"])
    param_names = ("network", "numbers", "maps")

    def setup(self, network: str, numbers: str, _: str) -> None:
        self.net, self.exact = eg.load(network), numbers == "exact"

    def peakmem_maps(self, _network: str, _numbers: str, maps: str) -> None:
        if maps == "one map":
            made([eg.importance(self.net, exact=self.exact)])
        else:
            made(dict(eg.importances(self.net, exact=self.exact)).values())


class ImageSize:
    """Flat once the field fits: only its window is touched."""

    params = ([512, 1024, 4096],)
    param_names = ("size",)

    def setup(self, size: int) -> None:
        self.net = eg.load("resnet50", (size, size))
        eg.importance(self.net, exact=False)

    def time_window(self, _: int) -> None:
        made([eg.importance(self.net, exact=False)])

    def time_whole_image(self, _: int) -> None:
        eg.importance(self.net, exact=False).values  # noqa: B018


class FirstMap:
    """The first map of a network: what is compiled, and then the map."""

    params = (NETWORKS,)
    param_names = ("network",)
    number = 1
    warmup_time = 0.0

    def setup(self, network: str) -> None:
        self.net = eg.load(network)

    def time_map(self, _: str) -> None:
        made([eg.importance(self.net, exact=False)])


class AllMaps:
    """Maps of all feature maps from one unit."""

    params = (["resnet50", "resnet152"], NUMBERS)
    param_names = ("network", "numbers")

    def setup(self, network: str, numbers: str) -> None:
        self.net, self.exact = eg.load(network), numbers == "exact"
        eg.importances(self.net, exact=self.exact)

    def time_maps(self, *_: object) -> None:
        made(dict(eg.importances(self.net, exact=self.exact)).values())


class Units:
    """Maps of all units of the last feature map, 7×7, at once and one by one."""

    params = (["resnet50"], ["at once", "one by one"])
    param_names = ("network", "how")

    def setup(self, network: str, how: str) -> None:
        if not hasattr(eg, "unit_importances"):
            raise NotImplementedError("this version has none")
        self.net = eg.load(network)
        self.maps = {"at once": at_once, "one by one": one_by_one}[how]

    def time_maps(self, *_: object) -> None:
        self.maps(self.net)


class Influence:
    """The forward sweep: what one input unit reaches."""

    params = (["resnet50"], NUMBERS)
    param_names = ("network", "numbers")

    def setup(self, network: str, numbers: str) -> None:
        self.net, self.exact = eg.load(network), numbers == "exact"
        eg.influence(self.net, exact=self.exact)

    def time_map(self, *_: object) -> None:
        made([eg.influence(self.net, exact=self.exact)])


class ReadMap:
    """What is read off a map."""

    params = (["resnet50", "resnet152"], NUMBERS)
    param_names = ("network", "numbers")

    def setup(self, network: str, numbers: str) -> None:
        net, exact = eg.load(network), numbers == "exact"
        self.make = lambda: eg.importance(net, exact=exact)

    def time_erf(self, *_: object) -> None:
        self.make().erf()

    def time_share(self, *_: object) -> None:
        self.make().share  # noqa: B018
