"""Importance maps from what the engines hand back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from erfgraph.channels import Channels
from erfgraph.counts import Counts
from erfgraph.display import Shown
from erfgraph.featuremap import FeatureMap
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import Network
from erfgraph.params import Shape


def channels_of(net: Network, m: FeatureMap) -> Channels:
    """Which channels of a feature map a name stands for."""
    return range(net.maps[m.index].channels) if m.view is None else m.view


def map_of(
    net: Network,
    top: FeatureMap,
    unit: Shape,
    rated: FeatureMap,
    measure: str,
    counts: Counts,
    windows: tuple[tuple[int, int], ...],
    channels: str = "collapse",
) -> ImportanceMap:
    """The importance map of a feature map for a unit of another."""
    offset = tuple(start for start, _ in windows)
    return ImportanceMap(
        layer=top.name,
        unit=unit,
        of=rated.name,
        measure=measure,
        shape=rated.shape,
        input_shape=net.input.shape,
        network=net.name,
        offset=offset,
        counts=counts,
        channels=channels,
    )


class Maps(Mapping[str, ImportanceMap], Shown):
    """The importance maps of many feature maps for one unit, by name, in the network's order.

    The numbers are there; a map is made of them when it is asked for, and then kept.
    """

    def __init__(
        self,
        net: Network,
        top: FeatureMap,
        unit: Shape,
        measure: str,
        counted: Mapping[int, Counts],
        windows: Mapping[int, tuple[tuple[int, int], ...]],
        channels: str = "collapse",
    ) -> None:
        self._net, self._counted, self._windows = net, counted, windows
        self._made: dict[str, ImportanceMap] = {}
        first = map_of(net, top, unit, top, measure, Counts(np.zeros(())), (), channels)
        self._shared = vars(first)

    @cached_property
    def _rated(self) -> dict[str, FeatureMap]:
        every = self._net.maps
        return {every[index].name: every[index] for index in sorted(self._counted)}

    def __getitem__(self, name: str) -> ImportanceMap:
        made = self._made.get(name)
        if made is None:
            rated = self._rated[name]
            # as `map_of`, but what all of them share is checked and set once: the fields of a
            # frozen class cost more than the additions of a small map
            made = self._made[name] = object.__new__(ImportanceMap)
            state = made.__dict__
            state.update(self._shared)
            state["of"], state["shape"] = name, rated.shape
            state["offset"] = tuple([start for start, _ in self._windows[rated.index]])
            state["counts"] = self._counted[rated.index]
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._rated)

    def __len__(self) -> int:
        return len(self._counted)

    def __repr__(self) -> str:
        unit = f"unit {self._shared['unit']} of {self._shared['layer']}"
        return f"<{len(self)} importance maps for {unit}: {', '.join(self)}>"


def empty_map(
    net: Network,
    top: FeatureMap,
    unit: Shape,
    rated: FeatureMap,
    measure: str,
    exact: bool,
    channels: str = "collapse",
) -> ImportanceMap:
    """The map of a unit to which no path leads."""
    kind = np.int64 if exact else np.float64
    nothing = Counts(np.zeros((1,) * len(rated.shape), dtype=kind))
    nowhere = ((0, 1),) * len(rated.shape)
    return map_of(net, top, unit, rated, measure, nothing, nowhere, channels)
