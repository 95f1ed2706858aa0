"""What should stand below each other in a diagram, whatever else there is."""

from __future__ import annotations

from dataclasses import dataclass

from erfgraph.diagram import Diagram
from erfgraph.repeats import doors

# a box, or a lane in a row: (source, row) of its map, (~target, row) of all that go there
Place = int | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Guides:
    """Places that should stand below each other.

    Attributes
    ----------
    mains : dict of Place to Place
        For each box the one of those that read it from which the way to the end is longest.
    doors : dict of Place to Place
        For each merge the box from which its branches come.
    """

    mains: dict[Place, Place]
    doors: dict[Place, Place]


def behind_of(found: Diagram) -> list[int]:
    """For each box how many wires the longest way has that follows it."""
    behind = [0] * len(found.boxes)
    for wire in reversed(found.wires):  # by targets, which come after their sources
        behind[wire.source] = max(behind[wire.source], behind[wire.target] + 1)
    return behind


def mains_of(found: Diagram) -> dict[Place, Place]:
    """For each box the reader that the longest way follows; of equal ones the first."""
    behind = behind_of(found)
    mains: dict[Place, Place] = {}
    for wire in found.wires:
        now = mains.setdefault(wire.source, wire.target)
        assert isinstance(now, int)
        if behind[wire.target] > behind[now]:
            mains[wire.source] = wire.target
    return mains


def doors_of(found: Diagram) -> dict[Place, Place]:
    """For each merge the box through which every way to it runs, the last before it."""
    reads: list[list[int]] = [[] for _ in found.boxes]
    for wire in found.wires:
        reads[wire.target].append(wire.source)
    entries = doors(reads)
    return {box: entries[box] for box, sources in enumerate(reads) if len(sources) > 1}
