"""Graph-based effective receptive fields of convolutional networks.

The nouns, all frozen:

- `FeatureMap`: one tensor of a network, with a name, a spatial shape and a channel count.
- **Unit**: one spatial position of a feature map, the node of the graph.
- **Layer**: makes one feature map from others; it alone decides which units are joined.
- **Edge** u -> v: the layer reads unit u to compute unit v; its **multiplicity** says how often.
- `Network`: feature maps and the layers between them; the description.
- `Graph`: its units and edges written out as sparse matrices.
- `ImportanceMap`: the importance of every unit of a map for one unit, by a **measure**.
- `ERF`: the units whose importance passes a threshold, the effective receptive field.

The verbs: `load` a network, `importance` / `importances` / `influence` of it, its `graph`.

Examples
--------
>>> import erfgraph as eg
>>> net = eg.Network((19,))
>>> x = net.conv(net.input, 7)
>>> x = net.conv(x, 7)
>>> x = net.conv(x, 7, name="top")
>>> eg.importance(net).peak
Peak(position=(9,), value=37)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from erfgraph.version import __version__

if TYPE_CHECKING:
    from erfgraph.arithmetic import ReceptiveField, receptive_field, receptive_fields
    from erfgraph.erf import ERF
    from erfgraph.errors import (
        ErfgraphError,
        FileError,
        InputError,
        LayerError,
        MissingExtraError,
        NameLookupError,
        SizeError,
        ThresholdError,
    )
    from erfgraph.explicit import Graph, Unit, graph, graph_size
    from erfgraph.importance_map import ImportanceMap
    from erfgraph.loading import load
    from erfgraph.netfile import save_file as save_network
    from erfgraph.network import FeatureMap, Network
    from erfgraph.sweeps import importance, importances, influence

# where each public name lives; looked up on first use, so that importing costs little
_HOMES = {
    "ERF": "erf",
    "ErfgraphError": "errors",
    "FeatureMap": "network",
    "FileError": "errors",
    "Graph": "explicit",
    "ImportanceMap": "importance_map",
    "InputError": "errors",
    "LayerError": "errors",
    "MissingExtraError": "errors",
    "NameLookupError": "errors",
    "Network": "network",
    "ReceptiveField": "arithmetic",
    "SizeError": "errors",
    "ThresholdError": "errors",
    "Unit": "explicit",
    "graph": "explicit",
    "graph_size": "explicit",
    "importance": "sweeps",
    "importances": "sweeps",
    "influence": "sweeps",
    "load": "loading",
    "receptive_field": "arithmetic",
    "receptive_fields": "arithmetic",
    "save_network": "netfile",
}
_RENAMED = {"save_network": "save_file"}

__all__ = [
    "ERF",
    "ErfgraphError",
    "FeatureMap",
    "FileError",
    "Graph",
    "ImportanceMap",
    "InputError",
    "LayerError",
    "MissingExtraError",
    "NameLookupError",
    "Network",
    "ReceptiveField",
    "SizeError",
    "ThresholdError",
    "Unit",
    "__version__",
    "graph",
    "graph_size",
    "importance",
    "importances",
    "influence",
    "load",
    "receptive_field",
    "receptive_fields",
    "save_network",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'erfgraph' has no attribute {name!r}")
    home = importlib.import_module(f"erfgraph.{_HOMES[name]}")
    value = globals()[name] = getattr(home, _RENAMED.get(name, name))
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
