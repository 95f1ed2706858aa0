"""VGG (Simonyan and Zisserman 2015), as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function

PAPER = "Simonyan and Zisserman 2015, arXiv:1409.1556"
WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    net: Network, x: FeatureMap, depth: int, norm: bool = False, head: bool = False
) -> FeatureMap:
    """Five stages of 3x3 convolutions, each ended by a 2x2 max pool."""
    index = 0
    for repeats, width in zip(DEPTHS[depth], WIDTHS, strict=True):
        for _ in range(repeats):
            after = ("batch_norm", "relu") if norm else ("relu",)
            steps = enumerate(after, start=index + 1)
            then = tuple(Function(kind, f"features.{i}") for i, kind in steps)
            x = blocks.conv(net, x, f"features.{index}", width, then=then)
            index += 1 + len(after)
        x = net.max_pool(x, 2, name=f"features.{index}")
        index += 1
    net.identity(x, name="features")
    if head:
        x = net.adaptive_pool(x, 7, name="avgpool")
        x = blocks.sequence(net, x, "classifier", (4096, "relu", None, 4096, "relu", None, 1000))
    return x


ARCHITECTURES = tuple(
    Architecture(
        f"vgg{depth}{suffix}",
        partial(vgg, depth=depth, norm=norm),
        PAPER,
        init="kaiming_fan_out",
    )
    for depth in DEPTHS
    for suffix, norm in (("", False), ("_bn", True))
)
