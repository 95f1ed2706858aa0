"""Chains of 10,000 layers: linear in depth and in field, every digit right, no overflow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import erfgraph as eg
from benchmarks.timing import Clock, Fact, Row, Work, anew, calls

DEEP, SHALLOW = 10_000, 2_500
SLACK = 5.5 / 4  # over linear


@dataclass(frozen=True)
class Chain:
    """Equal 3-tap layers on an input of a shape; without one, as large as the field."""

    name: str
    layer: str
    shape: tuple[int, ...] | None

    @property
    def title(self) -> str:
        return f"chain of {DEEP:,} 3-tap layers, {self.name}"

    def load(self, depth: int) -> eg.Network:
        return eg.load(f"{self.layer}*{depth}", self.shape)

    def total(self, depth: int) -> int:
        """Number of paths to the centre unit, from the layer's definition alone."""
        if self.shape is None:
            return 3**depth
        paths = [0] * self.shape[0]
        paths[self.shape[0] // 2] = 1
        for _ in range(depth):  # what each position passes to itself and its neighbours
            shifted = [0, *paths], paths, [*paths[1:], 0]
            paths = [a + b + c for a, b, c in zip(*shifted, strict=False)]
        return sum(paths) ** len(self.shape)


CHAINS = (
    Chain("1-D, padded, 64 positions", "conv3p1", (64,)),
    Chain("2-D, padded, 64²", "conv3p1", (64, 64)),
    Chain("1-D, field of 20,001", "conv3", None),
)


# --- time ---------------------------------------------------------------------------------


def first(chain: Chain) -> Callable[[int], Clock]:
    """The first map of a network."""
    return lambda depth: anew(
        lambda: chain.load(depth), lambda net: eg.importance(net, exact=False).counts.values
    )


def again(chain: Chain, exact: bool) -> Callable[[int], Clock]:
    """A map that was asked for before."""

    def clock(depth: int) -> Clock:
        net = chain.load(depth)
        return calls(lambda: eg.importance(net, exact=exact).counts.values)

    return clock


def linear(
    chain: Chain, what: str, clock: Callable[[int], Clock], work: int, long: bool = False
) -> Row:
    """Whether the deep chain takes as many times the time as it is times the work."""
    return Row(
        Work(f"{chain.title}, {what}", clock(DEEP)),
        Work(f"the same with {SHALLOW:,} layers", clock(SHALLOW)),
        "as long",
        SLACK * work,
        note=f" (linear: {work})",
        long=long,
    )


# --- size of the numbers ------------------------------------------------------------------


def exact_holds(chain: Chain) -> bool:
    return eg.importance(chain.load(DEEP)).total == chain.total(DEEP)


def float_holds(chain: Chain) -> bool:
    """Whether the total is right in float64, which an infinite number would spoil."""
    found = eg.importance(chain.load(DEEP), exact=False)
    logarithm = math.log10(found.total) + found.log10_scale
    return math.isclose(logarithm, math.log10(chain.total(DEEP)), rel_tol=1e-12)


def rows_of(chain: Chain) -> list[Row | Fact]:
    work = (DEEP // SHALLOW) ** (1 if chain.shape else 2)
    # with four times the layers, exact numbers are four times as long
    exact_work = work * (DEEP // SHALLOW)
    long = chain is not CHAINS[0]  # in exact integers
    return [
        linear(chain, "first map, float64", first(chain), work),
        linear(chain, "float64", again(chain, exact=False), work),
        linear(chain, "exact integers", again(chain, exact=True), exact_work, long),
        Fact(f"{chain.title}, float64", "total right, no overflow", lambda: float_holds(chain)),
        Fact(
            f"{chain.title}, exact integers",
            "every digit of the total right",
            lambda: exact_holds(chain),
            long=long,
        ),
    ]


def rows() -> list[Row | Fact]:
    return [row for chain in CHAINS for row in rows_of(chain)]
