"""A plan as a list of array operations on memory that is set aside once, and its replay.

`erfgraph.lowering` makes it, `erfgraph.running` keeps it for the next call. All arrays are
views that exist before the first number moves, so a replay is a loop over NumPy calls and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from erfgraph.params import Shape

Operation = tuple[Callable[..., Any], tuple[Any, ...]]
Index = tuple[slice, ...]


class Slot(NamedTuple):
    """A part of the result, an array that is new in every replay."""

    where: Index


class Place(NamedTuple):
    """Where in the arena wanted maps lie that hold the same."""

    maps: tuple[int, ...]
    shape: Shape
    offset: int  # bytes
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """A lowered plan.

    Attributes
    ----------
    operations : list of (function, arguments)
        All but what writes the result.
    last : list of (function, arguments)
        What writes the result; its parts are given as `Slot`.
    result : (int, shape) or None
        The map that is made anew in every replay, where only the last one is wanted.
    arena : array
        Where the other wanted maps lie side by side.
    places : list of Place
    first : array, shape (lanes, *window)
        What the start map holds.
    seeds : array
        What it holds by default.
    n_bytes : int
    """

    operations: list[Operation]
    last: list[Operation]
    result: tuple[int, Shape] | None
    arena: np.ndarray
    places: list[Place]
    first: np.ndarray
    seeds: np.ndarray
    n_bytes: int


def replay(
    program: Program, seed: np.ndarray | None = None, out: np.ndarray | None = None
) -> dict[int, np.ndarray]:
    """Move numbers through a program.

    Parameters
    ----------
    program : Program
        Used by one thread at a time.
    seed : array, shape (lanes, *window), optional
        What the start map holds; default the plan's seeds.
    out : array, shape (lanes, *window), optional
        Where the result goes, if the program has one; default a new array.

    Returns
    -------
    dict
        For every wanted map its numbers, shape (lanes, *window), not touched by later replays.
        Maps that are mere copies of each other share one array.
    """
    program.first[...] = program.seeds if seed is None else seed
    for function, arguments in program.operations:
        function(*arguments)
    dtype = program.arena.dtype
    if program.result is not None:
        index, shape = program.result
        made = np.empty(shape, dtype) if out is None else out
        for function, arguments in program.last:
            function(*[made[a.where] if type(a) is Slot else a for a in arguments])
        return {index: made}
    held = program.arena.copy()
    found = {}
    for place in program.places:
        values = np.ndarray(place.shape, dtype, held, place.offset, place.strides)
        for index in place.maps:
            found[index] = values
    return found
