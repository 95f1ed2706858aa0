"""Sweeps against each other: number types, all maps, all units, image sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import erfgraph as eg
from benchmarks import floor
from benchmarks.timing import Row, Work, anew, calls

SIDE = 7  # of the last map of ResNet-50 at 224²
NAMES = {"resnet50": "ResNet-50", "resnet152": "ResNet-152"}


def made(maps: Iterable[eg.ImportanceMap]) -> None:
    """Ask each map for its numbers, should they be made only when asked for."""
    for found in maps:
        assert found.counts.values is not None


# --- number types -------------------------------------------------------------------------


def single(name: str, size: int = 224, exact: bool = False) -> Work:
    net = eg.load(name, (size, size))
    numbers = "exact integers" if exact else "float64"
    return Work(
        f"{NAMES[name]}, {size}², path map, {numbers}",
        calls(lambda: made([eg.importance(net, exact=exact)])),
    )


def written(name: str) -> Work:
    net = eg.load(name)
    return Work(
        f"{NAMES[name]}, 224², the same written out as an array of Python integers",
        calls(lambda: eg.importance(net).values),
    )


def least(name: str, size: int = 224) -> Row:
    """A map against its additions and nothing else, to see what the rest costs."""
    shapes = floor.additions(eg.load(name, (size, size)))
    alone = f"its {len(shapes)} additions of arrays alone, each a call of NumPy"
    return Row(single(name, size), Work(alone, calls(floor.call_by_call(shapes))), "as long")


# --- many maps ----------------------------------------------------------------------------


def every_map(name: str, exact: bool) -> Work:
    """The numbers of all maps; the objects that hold them are made as they are asked for."""
    net = eg.load(name)
    numbers = "exact integers" if exact else "float64"
    return Work(
        f"{NAMES[name]}, 224², maps of all feature maps from one unit, {numbers}",
        calls(lambda: eg.importances(net, exact=exact)),
    )


def every_object(name: str) -> Work:
    net = eg.load(name)
    return Work(
        f"{NAMES[name]}, 224², the same, each of the {len(net.maps)} map objects made, float64",
        calls(lambda: made(dict(eg.importances(net, exact=False)).values())),
    )


def at_once(net: eg.Network) -> None:
    made(eg.unit_importances(net, exact=False))


def one_by_one(net: eg.Network) -> None:
    units = itertools.product(range(SIDE), repeat=2)
    made([eg.importance(net, unit=unit, exact=False) for unit in units])


def unit_rows() -> list[Row]:
    net = eg.load("resnet50")
    what = "ResNet-50, 224², all 49 units of the last 7×7 map at once, float64"
    return [
        Row(
            Work(f"{what}, asked before", calls(lambda: at_once(net))),
            Work("49 single maps, each asked before", calls(lambda: one_by_one(net))),
            "faster",
            3,
        ),
        Row(
            Work(f"{what}, on a new network", anew(lambda: eg.load("resnet50"), at_once)),
            Work(
                "49 single maps on a new network, each the first of its unit",
                anew(lambda: eg.load("resnet50"), one_by_one),
            ),
            "faster",
            3,
        ),
    ]


def rows() -> list[Row]:
    return [
        least("resnet50"),
        least("resnet50", 1024),
        least("resnet152"),
        *(
            Row(
                single(name, exact=True),
                Work("the same in float64", single(name).clock),
                "as long",
                6,
            )
            for name in NAMES
        ),
        Row(
            written("resnet152"), Work("the map in float64", single("resnet152").clock), "as long"
        ),
        Row(
            every_map("resnet152", exact=False),
            Work("its single map", single("resnet152").clock),
            "as long",
            2,
        ),
        Row(
            every_object("resnet152"), Work("its single map", single("resnet152").clock), "as long"
        ),
        Row(
            every_map("resnet152", exact=True),
            Work("its single map in exact integers", single("resnet152", exact=True).clock),
            "as long",
        ),
        *unit_rows(),
        *(
            Row(
                single("resnet50", size),
                Work("the same at 512²", single("resnet50", 512).clock),
                "as long",
                1.5,
            )
            for size in (1024, 4096)
        ),
    ]
