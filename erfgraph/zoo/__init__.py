"""Architectures by name, each written as an architecture.

A module of this package defines a function that adds layers to a `Network`, and rows of its
`ARCHITECTURES` table that call it with other numbers; a file with such a table is all that it
takes. Names of networks and feature maps are torchvision's where torchvision has the model.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Hashable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from erfgraph.errors import unknown_name
from erfgraph.network import Network, PerAxis
from erfgraph.zoo.architecture import Architecture

WEIGHTED = ("conv", "conv_transpose", "linear", "attention")  # layers that depth counts


def _shared(a: str, b: str) -> int:
    """How many characters two names share from the start."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((i for i, (one, other) in pairs if one != other), min(len(a), len(b)))


class Zoo(MutableMapping[str, Architecture]):
    """The rows of this package's modules by name; a module is imported when it is needed.

    Rows of your own may be added.

    Examples
    --------
    >>> ZOO["resnet18"].channels, "resnet19" in ZOO
    (3, False)
    """

    def __init__(self) -> None:
        self.modules = [found.name for found in pkgutil.iter_modules(__path__)]
        self.rows: dict[str, dict[str, Architecture]] = {}  # of the modules that were imported
        self.added: dict[str, Architecture] = {}

    def _of(self, module: str) -> dict[str, Architecture]:
        if module not in self.rows:
            found = getattr(importlib.import_module(f"{__name__}.{module}"), "ARCHITECTURES", ())
            self.rows[module] = {row.name: row for row in found}
        return self.rows[module]

    def _with(self, name: str) -> dict[str, Architecture]:
        """The table that has a name, or else the one that it would be added to."""
        # a name mostly begins as that of its module does; where it does not, all are searched
        modules = sorted(self.modules, key=lambda module: -_shared(module, name))
        tables = (self._of(module) for module in modules)
        return next((rows for rows in tables if name in rows), self.added)

    def __getitem__(self, name: str) -> Architecture:
        return self._with(name)[name]

    def __setitem__(self, name: str, row: Architecture) -> None:
        self._with(name)[name] = row

    def __delitem__(self, name: str) -> None:
        del self._with(name)[name]

    def __iter__(self) -> Iterator[str]:
        for module in self.modules:
            yield from self._of(module)
        yield from self.added

    def __len__(self) -> int:
        return sum(len(self._of(module)) for module in self.modules) + len(self.added)


ZOO = Zoo()


def build(
    name: str,
    shape: PerAxis | None = None,
    channels: int | None = None,
    head: bool = False,
    gates: str = "transparent",
) -> Network:
    """A network of the zoo.

    Parameters
    ----------
    name : str
    shape : int or sequence of int, optional
        Spatial shape of the input; default the size it was trained on.
    channels : int, optional
        Channels of the input; default those it was trained on.
    head : bool, optional
        Whether to add what follows the last feature map: pooling and classifier.
    gates : {"transparent", "follow"}, optional
        Whether paths also run through gates (squeeze-and-excitation), as in `Network`.

    Returns
    -------
    Network

    Raises
    ------
    NameLookupError
        If there is no such name.
    LayerError
        If the input is too small for the network.

    Examples
    --------
    >>> build("resnet50")
    <Network 'resnet50': input 224x224, 71 feature maps>
    """
    if name not in ZOO:
        raise unknown_name("architecture", name, ZOO)
    row = ZOO[name]
    net = Network(
        row.input_shape if shape is None else shape,
        row.channels if channels is None else channels,
        name,
        gates,
    )
    net.init = row.init
    row.layers(net, net.input, head=head)
    return net


def describe(name: str) -> dict[str, Any]:
    """What an architecture is, in numbers read off the network that it builds.

    Returns
    -------
    dict
        ``name``, ``paper``, ``input_shape``, ``channels`` (of the input); ``feature_maps``
        (how many there are) and ``convolutions`` (transposed ones and those within gates
        included); and of the last feature map before the head its ``depth`` (the most
        convolutions, linear and attention layers on one way to it), ``field`` (size of the
        theoretical receptive field per axis, padding counted) and ``stride`` (input positions
        from one unit to the next, per axis).

    Examples
    --------
    >>> found = describe("resnet50")
    >>> found["convolutions"], found["depth"], found["field"], found["stride"]
    (53, 49, [427, 427], [32, 32])
    """
    row, net = ZOO[name], build(name)
    field, stride = _field(net)
    return {
        "name": name,
        "paper": row.paper,
        "input_shape": list(row.input_shape),
        "channels": row.channels,
        "feature_maps": len(net),
        "convolutions": sum(m.op in ("conv", "conv_transpose") for m in net.maps),
        "depth": _depth(net),
        "field": list(field),
        "stride": list(stride),
    }


def _depth(net: Network) -> int:
    """The most layers with weights on a way from the input to the output."""
    depths: list[int] = []
    for m in net.maps:
        below = max((depths[link.src] for link in m.links), default=0)
        depths.append(below + (m.op in WEIGHTED))
    return depths[net.output.index]


_FIELDS: dict[Hashable, tuple[Sequence[int], Sequence[float]]] = {}


def _field(net: Network) -> tuple[Sequence[int], Sequence[float]]:
    """Size and stride of the output's field, computed once for networks that differ in widths."""
    geometry = tuple(
        (m.shape, m.op, *(link.src for link in m.links), str(_without_channels(m.params)))
        for m in net.maps
    )
    key = (net.output.index, geometry)
    if key not in _FIELDS:
        from erfgraph.arithmetic import receptive_field

        found = receptive_field(net).to_dict()
        _FIELDS[key] = found["size"], found["stride"]
    return _FIELDS[key]


def _without_channels(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key not in ("channels", "groups")}
