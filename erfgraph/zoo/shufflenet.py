"""ShuffleNet v2 (Ma et al. 2018), as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import batch_norm, relu

PAPER = "Ma et al. 2018, arXiv:1807.11164"
REPEATS = (4, 8, 4)
# widths of the three stages and of the last convolution
WIDTHS = {
    "x0_5": (48, 96, 192, 1024),
    "x1_0": (116, 232, 464, 1024),
    "x1_5": (176, 352, 704, 1024),
    "x2_0": (244, 488, 976, 2048),
}


def branch(
    net: Network, x: FeatureMap, name: str, width: int, stride: int, narrow: bool
) -> FeatureMap:
    """A depthwise 3x3 and a 1x1 convolution; with `narrow` a 1x1 before both."""
    start = 0
    if narrow:
        then = (batch_norm(f"{name}.1"), relu(f"{name}.2"))
        x = blocks.conv(net, x, f"{name}.0", width, 1, then=then)
        start = 3
    depthwise, first, pointwise, second, last = (f"{name}.{start + i}" for i in range(5))
    groups = x.channels
    x = blocks.conv(net, x, depthwise, groups, 3, stride, groups=groups, then=(batch_norm(first),))
    return blocks.conv(net, x, pointwise, width, 1, then=(batch_norm(second), relu(last), name))


def unit(net: Network, x: FeatureMap, name: str, width: int, stride: int) -> FeatureMap:
    """Two branches, concatenated and shuffled; at stride 1 each takes half of the channels."""
    half = width // 2
    if stride == 1:
        left, right = net.channel_slice(x, 0, half), net.channel_slice(x, half)
    else:
        left, right = branch(net, x, f"{name}.branch1", half, stride, narrow=False), x
    right = branch(net, right, f"{name}.branch2", half, stride, narrow=True)
    x = net.concat(left, right, name=f"{name}.concat")
    return net.channel_shuffle(x, 2, name=name)


def shufflenet(net: Network, x: FeatureMap, width: str, head: bool = False) -> FeatureMap:
    """Three stages of units that split and shuffle their channels."""
    *widths, last = WIDTHS[width]
    then = (batch_norm("conv1.1"), relu("conv1.2"), "conv1")
    x = blocks.conv(net, x, "conv1.0", 24, stride=2, then=then)
    x = net.max_pool(x, 3, 2, 1, name="maxpool")
    for stage, (channels, repeats) in enumerate(zip(widths, REPEATS, strict=True), start=2):
        for i in range(repeats):
            x = unit(net, x, f"stage{stage}.{i}", channels, 2 if i == 0 else 1)
        net.identity(x, name=f"stage{stage}")
    then = (batch_norm("conv5.1"), relu("conv5.2"), "conv5")
    x = blocks.conv(net, x, "conv5.0", last, 1, then=then)
    return blocks.fc(net, x) if head else x


ARCHITECTURES = tuple(
    Architecture(f"shufflenet_v2_{width}", partial(shufflenet, width=width), PAPER)
    for width in WIDTHS
)
