"""ConvNeXt (Liu et al. 2022), as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import After, Function, layer_norm

PAPER = "Liu et al. 2022, arXiv:2201.03545"
LAYER_SCALE = 1e-6  # at initialisation
# width of the first stage, doubled in each, and blocks per stage
SETTINGS = {
    "tiny": (96, (3, 3, 9, 3)),
    "small": (96, (3, 3, 27, 3)),
    "base": (128, (3, 3, 27, 3)),
    "large": (192, (3, 3, 27, 3)),
}


def block(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """A depthwise 7x7 convolution, then linear layers at each position, to four times the width.

    torchvision permutes the axes around the linear layers, which moves no unit; layer scale
    and stochastic depth are elementwise.
    """
    width, inner = x.channels, f"{name}.block"
    then: tuple[After, ...] = (f"{inner}.1", layer_norm(f"{inner}.2"))  # first a permutation
    y = blocks.conv(net, x, f"{inner}.0", width, 7, groups=width, then=then)
    then = (Function("gelu", f"{inner}.4"),)
    y = blocks.conv(net, y, f"{inner}.3", 4 * width, 1, then=then)
    scale = Function("scale", f"{name}.layer_scale", LAYER_SCALE)
    then = (f"{inner}.6", inner, scale, f"{name}.stochastic_depth")
    y = blocks.conv(net, y, f"{inner}.5", width, 1, then=then)
    return net.add(y, x, name=name)


def convnext(net: Network, x: FeatureMap, size: str, head: bool = False) -> FeatureMap:
    """A 4x4 stem, then stages of blocks with strided 2x2 convolutions between them."""
    width, repeats = SETTINGS[size]
    x = blocks.conv_norm(net, x, "features.0", width, 4, 4, padding=0, norm="layer_norm", act=None)
    for stage, n in enumerate(repeats):
        if stage:
            name = f"features.{2 * stage}"
            x = blocks.follow(net, x, layer_norm(f"{name}.0"))
            x = blocks.conv(net, x, f"{name}.1", 2 * x.channels, 2, 2, padding=0, then=(name,))
        name = f"features.{2 * stage + 1}"
        for i in range(n):
            x = block(net, x, f"{name}.{i}")
        net.identity(x, name=name)
    net.identity(x, name="features")
    return blocks.classifier(net, x, "layer_norm", None, 1000) if head else x


ARCHITECTURES = tuple(
    Architecture(f"convnext_{size}", partial(convnext, size=size), PAPER, init="std=0.02")
    for size in SETTINGS
)
