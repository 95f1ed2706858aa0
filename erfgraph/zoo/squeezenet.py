"""SqueezeNet (Iandola et al. 2016), as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import relu

PAPER = "Iandola et al. 2016, arXiv:1602.07360"
SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)  # each expanded to four times as many, twice
# width and kernel of the first convolution; after how many fire modules a pool stands
SETTINGS = {"1_0": (96, 7, (0, 3, 7)), "1_1": (64, 3, (0, 2, 4))}


def fire(net: Network, x: FeatureMap, name: str, width: int) -> FeatureMap:
    """A 1x1 convolution that squeezes, then 1x1 and 3x3 convolutions side by side."""
    x = blocks.conv(
        net, x, f"{name}.squeeze", width, 1, then=(relu(f"{name}.squeeze_activation"),)
    )
    sides = []
    for key, kernel in (("expand1x1", 1), ("expand3x3", 3)):
        then = (relu(f"{name}.{key}_activation"),)
        sides.append(blocks.conv(net, x, f"{name}.{key}", 4 * width, kernel, then=then))
    return net.concat(*sides, name=name)


def squeezenet(net: Network, x: FeatureMap, version: str, head: bool = False) -> FeatureMap:
    """Fire modules and max pools; the classifier is a convolution, and a pool ends it."""
    width, kernel, pooled = SETTINGS[version]
    then = (relu("features.1"),)
    x = blocks.conv(net, x, "features.0", width, kernel, 2, padding=0, then=then)
    index = 2
    for i, squeezed in enumerate(SQUEEZED):
        if i in pooled:
            x = net.max_pool(x, 3, 2, ceil_mode=True, name=f"features.{index}")
            index += 1
        x = fire(net, x, f"features.{index}", squeezed)
        index += 1
    blocks.follow(net, x, "features", "classifier.0")  # the latter a dropout
    x = blocks.conv(net, x, "classifier.1", 1000, 1, then=(relu("classifier.2"),))
    if head:
        x = net.global_pool(x, name="classifier.3")
        net.identity(x, name="classifier")
    return x


INIT = "kaiming_fan_in"  # but for the classifier's convolution, of standard deviation 0.01

ARCHITECTURES = tuple(
    Architecture(f"squeezenet{version}", partial(squeezenet, version=version), PAPER, init=INIT)
    for version in SETTINGS
)
