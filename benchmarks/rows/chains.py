"""Chains of 10,000 layers: linear in depth and in field, every digit right, no overflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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


class Again:
    """A map that was asked for before; the last is kept, since an exact one may take minutes."""

    def __init__(self, chain: Chain, exact: bool) -> None:
        self.chain, self.exact = chain, exact
        self.last: dict[int, eg.ImportanceMap] = {}

    def __call__(self, depth: int) -> Clock:
        net = self.chain.load(depth)

        def count() -> None:
            self.last[depth] = eg.importance(net, exact=self.exact)
            assert self.last[depth].counts.values is not None

        return calls(count)

    def holds(self) -> bool:
        """Whether the total is right, which an infinite or clipped number would spoil."""
        found, total = self.last[DEEP], self.chain.total(DEEP)
        if self.exact:
            return found.total == total
        logarithm = math.log10(found.total) + found.log10_scale
        return math.isclose(logarithm, math.log10(total), rel_tol=1e-12)


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


def rows_of(chain: Chain) -> Iterator[Row | Fact]:
    """The rows of a chain, each network made when its row comes: what lives costs others time."""
    work = (DEEP // SHALLOW) ** (1 if chain.shape else 2)
    yield linear(chain, "first map, float64", first(chain), work)
    floats = Again(chain, exact=False)
    yield linear(chain, "float64", floats, work)
    yield Fact(f"{chain.title}, float64", "total right, no overflow", floats.holds)
    # with four times the layers, exact numbers are four times as long
    exact, work = Again(chain, exact=True), work * (DEEP // SHALLOW)
    long = chain is not CHAINS[0]
    yield linear(chain, "exact integers", exact, work, long)
    right = "every digit of the total right"
    yield Fact(f"{chain.title}, exact integers", right, exact.holds, long=long)


def rows() -> Iterator[Row | Fact]:
    for chain in CHAINS:
        yield from rows_of(chain)
