"""Importance maps from what the engines hand back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from erfgraph.channels import Channels
from erfgraph.counts import Counts
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


def maps_of(
    net: Network,
    top: FeatureMap,
    unit: Shape,
    measure: str,
    counted: Mapping[int, Counts],
    offsets: Mapping[int, Shape],
    channels: str = "collapse",
) -> dict[str, ImportanceMap]:
    """The importance maps of many feature maps for one unit, by name, in the network's order."""
    every = net.maps
    # what they share is checked and set once: of a frozen class, a field costs as much as a sum
    shared = vars(map_of(net, top, unit, top, measure, Counts(np.zeros(())), ((0, 1),), channels))
    found = {}
    for index in sorted(counted):
        m = every[index]
        made = found[m.name] = object.__new__(ImportanceMap)
        vars(made).update(
            shared, of=m.name, shape=m.shape, offset=offsets[index], counts=counted[index]
        )
    return found


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
