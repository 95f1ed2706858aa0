"""Architectures by name, each written as an architecture.

A module of this package defines a function that adds layers to a `Network`, and rows of its
`ARCHITECTURES` table that call it with other numbers. Names of networks and feature maps are
torchvision's where torchvision has the model.
"""

from __future__ import annotations

from typing import Any

from erfgraph.errors import unknown_name
from erfgraph.network import Network, PerAxis
from erfgraph.zoo import resnet, vgg
from erfgraph.zoo.architecture import Architecture

ZOO: dict[str, Architecture] = {
    row.name: row for module in (vgg, resnet) for row in module.ARCHITECTURES
}


def build(
    name: str, shape: PerAxis | None = None, channels: int | None = None, head: bool = False
) -> Network:
    """A network of the zoo.

    Parameters
    ----------
    name : str
    shape : int or sequence of int, optional
        Spatial shape of the input; default the size it was trained on.
    channels : int, optional
        Channels of the input; default 3.
    head : bool, optional
        Whether to add what follows the last feature map: pooling and classifier.

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
        row.input_shape if shape is None else shape, 3 if channels is None else channels, name
    )
    row.layers(net, net.input, head=head)
    return net


def describe(name: str) -> dict[str, Any]:
    """What an architecture is, in numbers read off the network that it builds.

    Returns
    -------
    dict
        ``name``, ``paper``, ``input_shape``, and of the last feature map before the head:
        ``feature_maps`` (how many there are), ``convolutions``, ``stride`` (input size over
        its size, per axis).
    """
    row, net = ZOO[name], build(name)
    pairs = zip(net.input.shape, net.output.shape, strict=True)
    return {
        "name": name,
        "paper": row.paper,
        "input_shape": list(row.input_shape),
        "feature_maps": len(net),
        "convolutions": sum(m.op == "conv" for m in net.maps),
        "stride": [round(n / m) for n, m in pairs],
    }
