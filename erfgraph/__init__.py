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

The verbs: `load` a network, or make one `from_torch`, `from_onnx` or `from_keras`;
`importance` / `importances` / `influence` of it, its `graph`.

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
    from erfgraph import importers, theory
    from erfgraph.agreement.compare import compare
    from erfgraph.agreement.cost import Cost
    from erfgraph.agreement.result import Comparison
    from erfgraph.arithmetic import ReceptiveField, receptive_field, receptive_fields
    from erfgraph.centre_grid import Centres, centres
    from erfgraph.comparison import FieldComparison, equal_fields
    from erfgraph.contribution import HighContribution, high_contribution
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
        UnknownOperationError,
    )
    from erfgraph.explicit import Graph, Unit, graph, graph_size
    from erfgraph.gradient.map import GradientMap
    from erfgraph.gradient.running import gradient_importance
    from erfgraph.growing import Growth, PowerLaw, growth
    from erfgraph.importance_map import ImportanceMap
    from erfgraph.importers.keras_import import from_keras
    from erfgraph.importers.onnx_import import from_onnx
    from erfgraph.importers.torch_import import from_torch
    from erfgraph.loading import load
    from erfgraph.merges import Branches, branches
    from erfgraph.netfile import save_file as save_network
    from erfgraph.network import FeatureMap, Network
    from erfgraph.progress_bar import progress
    from erfgraph.rings import Radial, radial
    from erfgraph.scale_spectrum import Spectrum, spectrum
    from erfgraph.sweeps import importance, importances, influence, unit_importances
    from erfgraph.tasks.classification import Coverage, coverage, input_range
    from erfgraph.tasks.coco import read_coco
    from erfgraph.tasks.detection import Cells, cells
    from erfgraph.tasks.match_results import ObjectMatch
    from erfgraph.tasks.matching import match_objects
    from erfgraph.tasks.objects import ObjectSizes
    from erfgraph.tasks.segmentation import (
        Checkerboard,
        Gridding,
        checkerboard,
        gridding,
    )
    from erfgraph.tasks.tiling import Halo, halo
    from erfgraph.torch_network.building import to_torch
    from erfgraph.verification import Check, Verification, verify

# where each public name lives; looked up on first use, so that importing costs little
_HOMES = {
    "Branches": "merges",
    "Cells": "tasks.detection",
    "Centres": "centre_grid",
    "Check": "verification",
    "Checkerboard": "tasks.segmentation",
    "Comparison": "agreement.result",
    "Cost": "agreement.cost",
    "Coverage": "tasks.classification",
    "ERF": "erf",
    "ErfgraphError": "errors",
    "FeatureMap": "network",
    "FieldComparison": "comparison",
    "FileError": "errors",
    "GradientMap": "gradient.map",
    "Graph": "explicit",
    "Gridding": "tasks.segmentation",
    "Growth": "growing",
    "Halo": "tasks.tiling",
    "HighContribution": "contribution",
    "ImportanceMap": "importance_map",
    "InputError": "errors",
    "LayerError": "errors",
    "MissingExtraError": "errors",
    "NameLookupError": "errors",
    "Network": "network",
    "ObjectMatch": "tasks.match_results",
    "ObjectSizes": "tasks.objects",
    "PowerLaw": "growing",
    "Radial": "rings",
    "ReceptiveField": "arithmetic",
    "SizeError": "errors",
    "Spectrum": "scale_spectrum",
    "ThresholdError": "errors",
    "Unit": "explicit",
    "UnknownOperationError": "errors",
    "Verification": "verification",
    "branches": "merges",
    "cells": "tasks.detection",
    "centres": "centre_grid",
    "checkerboard": "tasks.segmentation",
    "compare": "agreement.compare",
    "coverage": "tasks.classification",
    "equal_fields": "comparison",
    "from_keras": "importers.keras_import",
    "from_onnx": "importers.onnx_import",
    "from_torch": "importers.torch_import",
    "gradient_importance": "gradient.running",
    "graph": "explicit",
    "graph_size": "explicit",
    "gridding": "tasks.segmentation",
    "growth": "growing",
    "halo": "tasks.tiling",
    "high_contribution": "contribution",
    "importance": "sweeps",
    "importances": "sweeps",
    "influence": "sweeps",
    "input_range": "tasks.classification",
    "load": "loading",
    "match_objects": "tasks.matching",
    "progress": "progress_bar",
    "radial": "rings",
    "read_coco": "tasks.coco",
    "receptive_field": "arithmetic",
    "receptive_fields": "arithmetic",
    "save_network": "netfile",
    "spectrum": "scale_spectrum",
    "to_torch": "torch_network.building",
    "unit_importances": "sweeps",
    "verify": "verification",
}
_RENAMED = {"save_network": "save_file"}

__all__ = [
    "ERF",
    "Branches",
    "Cells",
    "Centres",
    "Check",
    "Checkerboard",
    "Comparison",
    "Cost",
    "Coverage",
    "ErfgraphError",
    "FeatureMap",
    "FieldComparison",
    "FileError",
    "GradientMap",
    "Graph",
    "Gridding",
    "Growth",
    "Halo",
    "HighContribution",
    "ImportanceMap",
    "InputError",
    "LayerError",
    "MissingExtraError",
    "NameLookupError",
    "Network",
    "ObjectMatch",
    "ObjectSizes",
    "PowerLaw",
    "Radial",
    "ReceptiveField",
    "SizeError",
    "Spectrum",
    "ThresholdError",
    "Unit",
    "UnknownOperationError",
    "Verification",
    "__version__",
    "branches",
    "cells",
    "centres",
    "checkerboard",
    "compare",
    "coverage",
    "equal_fields",
    "from_keras",
    "from_onnx",
    "from_torch",
    "gradient_importance",
    "graph",
    "graph_size",
    "gridding",
    "growth",
    "halo",
    "high_contribution",
    "importance",
    "importances",
    "importers",
    "influence",
    "input_range",
    "load",
    "match_objects",
    "progress",
    "radial",
    "read_coco",
    "receptive_field",
    "receptive_fields",
    "save_network",
    "spectrum",
    "theory",
    "to_torch",
    "unit_importances",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in ("importers", "theory"):  # modules that are public as such
        return importlib.import_module(f"erfgraph.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'erfgraph' has no attribute {name!r}")
    home = importlib.import_module(f"erfgraph.{_HOMES[name]}")
    value = globals()[name] = getattr(home, _RENAMED.get(name, name))
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
