"""VGG (Simonyan and Zisserman 2015), as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture

PAPER = "Simonyan and Zisserman 2015, arXiv:1409.1556"
WIDTHS = (64, 128, 256, 512, 512)


def vgg(net: Network, x: FeatureMap, depths: tuple[int, ...], head: bool = False) -> FeatureMap:
    """Five stages of 3x3 convolutions, each ended by a 2x2 max pool."""
    index = 0
    for depth, width in zip(depths, WIDTHS, strict=True):
        for _ in range(depth):
            x = net.conv(x, 3, padding=1, channels=width, name=f"features.{index}")
            net.identity(x, name=f"features.{index + 1}")  # ReLU
            index += 2
        x = net.max_pool(x, 2, name=f"features.{index}")
        index += 1
    net.identity(x, name="features")
    if head:
        x = net.adaptive_pool(x, 7, name="avgpool")
        for index, width in ((0, 4096), (3, 4096), (6, 1000)):
            x = net.linear(x, channels=width, name=f"classifier.{index}")
            for after in (1, 2) if width == 4096 else ():  # ReLU and dropout
                net.identity(x, name=f"classifier.{index + after}")
        net.identity(x, name="classifier")
    return x


ARCHITECTURES = tuple(
    Architecture(name, partial(vgg, depths=depths), PAPER)
    for name, depths in (
        ("vgg11", (1, 1, 2, 2, 2)),
        ("vgg13", (2, 2, 2, 2, 2)),
        ("vgg16", (2, 2, 3, 3, 3)),
        ("vgg19", (2, 2, 4, 4, 4)),
    )
)
