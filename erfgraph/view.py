"""A network as a sweep sees it: for every map, where it pushes and through what."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np

from erfgraph import axes, memory
from erfgraph.axes import Window
from erfgraph.channels import Channels, Mix
from erfgraph.layers import Terms
from erfgraph.network import Network
from erfgraph.params import Shape

Direction = Literal["backward", "forward"]


@dataclass(frozen=True, slots=True, eq=False)
class Strand:
    """What one map pushes to another through one part of a link.

    Attributes
    ----------
    target : int
    terms : Terms
        Of the link, or of the link reversed.
    mix : Mix, optional
        From the channels that it makes to those that it reads; None: channels collapsed.
    weight : float
        By which all that is pushed is multiplied; 1 where paths are counted.
    gains : float64 array, shape (len(mix.reads),), optional
        By which it is multiplied besides, for every channel that is read.
    mixing : Mixing, optional
        How channels are mixed, in place of what follows from the mix.
    """

    target: int
    terms: Terms
    mix: Mix | None = None
    weight: float = 1.0
    gains: np.ndarray | None = None
    mixing: Any = None


@dataclass(frozen=True, eq=False)
class View:
    """A network as a sweep sees it: for every map, where it pushes and through what."""

    shapes: tuple[Shape, ...]
    pushes: Mapping[int, tuple[Strand, ...]]
    order: tuple[int, ...]  # maps in the order in which they are complete
    channels: tuple[int, ...] = ()  # of every map, where they are told apart
    asked: Channels | None = None  # then: the channels of the first map to start on
    weighted: bool = False  # whether numbers are floats rather than counts
    classes: Mapping[int, Any] | None = None  # of channels, where they are known beforehand
    hulls: dict[tuple[int, Window], Window | None] = field(default_factory=dict, repr=False)
    plans: dict[Any, Any] = field(default_factory=dict, repr=False)  # see `remembered`


MOST_PLANS = 256

Made = TypeVar("Made")


def remembered(held: dict[Any, Any], key: Hashable, make: Callable[[], Made]) -> Made:
    """What was made for a key, kept with a network or a view for the next call."""
    found: Made
    if key in held:
        found = held[key]
        return found
    if len(held) >= MOST_PLANS:
        held.clear()
    with memory.collector_paused():
        found = held[key] = make()
    return found


def view(
    net: Network,
    direction: Direction,
    start: int,
    stop: int | None = None,
    asked: Channels | None = None,
) -> View:
    """The part of a network on paths between two maps (all that `start` reaches by default).

    Parameters
    ----------
    net : Network
    direction : {"backward", "forward"}
        Along or against the links.
    start, stop : int
        Indices of feature maps.
    asked : range or tuple of int, optional
        Tell channels apart, and start on these; default: channels collapsed.
    """
    shapes = tuple(m.shape for m in net.maps)
    pushes: dict[int, list[Strand]] = {}
    for m in net.maps:
        for link in m.links:
            strands: Iterable[tuple[Terms, Mix | None]] = ((link.terms, None),)
            if asked is not None:
                strands = ((part.terms, part.mix) for part in link.parts)
            for terms, mix in strands:
                if direction == "backward":
                    pushes.setdefault(m.index, []).append(Strand(link.src, terms, mix))
                else:
                    terms = tuple(tuple(map(axes.transpose, term)) for term in terms)
                    mix = mix and mix.reversed()
                    pushes.setdefault(link.src, []).append(Strand(m.index, terms, mix))
    order = range(start, -1, -1) if direction == "backward" else range(start, len(shapes))
    reached = {start}
    for index in order:
        if index in reached:
            reached.update(strand.target for strand in pushes.get(index, ()))
    leading = reached
    if stop is not None:  # keep only maps from which `stop` is reached
        leading = {stop}
        for index in reversed(order):
            if any(strand.target in leading for strand in pushes.get(index, ())):
                leading.add(index)
    used = [i for i in order if i in reached and i in leading] or [start]
    kept = set(used)
    return View(
        shapes,
        {i: tuple(s for s in pushes.get(i, ()) if s.target in kept and i != stop) for i in used},
        tuple(used),
        () if asked is None else tuple(net.maps[m.index].channels for m in net.maps),
        asked,
    )
