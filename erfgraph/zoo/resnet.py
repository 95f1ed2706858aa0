"""Residual networks (He et al. 2016), as torchvision and as TF-slim build them.

They differ in where a stage strides: torchvision in the first block of a stage, TF-slim in
the last block of the stage before. So their fields differ, 427 against 483 for ResNet-50.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture

PAPER = "He et al. 2016, arXiv:1512.03385"
WIDTHS = (64, 128, 256, 512)
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def basic(net: Network, x: FeatureMap, name: str, width: int, stride: int) -> FeatureMap:
    """Two 3x3 convolutions, the first strided."""
    x = net.conv(x, 3, stride, 1, channels=width, name=f"{name}.conv1")
    net.identity(x, name=f"{name}.bn1")
    x = net.conv(x, 3, padding=1, channels=width, name=f"{name}.conv2")
    return net.identity(x, name=f"{name}.bn2")


def bottleneck(net: Network, x: FeatureMap, name: str, width: int, stride: int) -> FeatureMap:
    """1x1, 3x3 and 1x1 convolutions, the 3x3 strided, the last four times as wide."""
    for i, (kernel, step, channels) in enumerate(
        ((1, 1, width), (3, stride, width), (1, 1, 4 * width)), start=1
    ):
        x = net.conv(x, kernel, step, kernel // 2, channels=channels, name=f"{name}.conv{i}")
        net.identity(x, name=f"{name}.bn{i}")
    return x


def stem(net: Network, x: FeatureMap, pool_padding: int | str) -> FeatureMap:
    """A strided 7x7 convolution and a strided 3x3 max pool."""
    x = net.conv(x, 7, 2, 3, channels=64, name="conv1")
    for name in ("bn1", "relu"):
        net.identity(x, name=name)
    return net.max_pool(x, 3, 2, pool_padding, name="maxpool")


def joined(net: Network, x: FeatureMap, skip: FeatureMap, name: str) -> FeatureMap:
    """The end of a block: its branch plus its skip, then a ReLU."""
    x = net.add(x, skip, name=name)
    return net.identity(x, name=f"{name}.relu")


def classifier(net: Network, x: FeatureMap) -> FeatureMap:
    """Global average pooling and a linear layer."""
    x = net.global_pool(x, name="avgpool")
    return net.linear(x, channels=1000, name="fc")


def resnet(net: Network, x: FeatureMap, depth: int, head: bool = False) -> FeatureMap:
    """torchvision's placement: the first block of a stage strides."""
    block, expansion = (basic, 1) if depth < 50 else (bottleneck, 4)
    x = stem(net, x, 1)
    for stage, (repeats, width) in enumerate(zip(BLOCKS[depth], WIDTHS, strict=True), start=1):
        for i in range(repeats):
            name = f"layer{stage}.{i}"
            stride = 2 if stage > 1 and i == 0 else 1
            skip = x
            branch = block(net, x, name, width, stride)
            if stride > 1 or x.channels != expansion * width:
                skip = net.conv(
                    x, 1, stride, channels=expansion * width, name=f"{name}.downsample.0"
                )
                for suffix in ("downsample.1", "downsample"):
                    net.identity(skip, name=f"{name}.{suffix}")
            x = joined(net, branch, skip, name)
        net.identity(x, name=f"layer{stage}")
    return classifier(net, x) if head else x


def resnet_v1(net: Network, x: FeatureMap, depth: int, head: bool = False) -> FeatureMap:
    """TF-slim's placement: the last block of a stage strides, but for the last stage.

    There the skip is a 1x1 max pool with the same stride, and the stem's pool pads as
    TensorFlow's ``"same"``.
    """
    x = stem(net, x, "same")
    for stage, (repeats, width) in enumerate(zip(BLOCKS[depth], WIDTHS, strict=True), start=1):
        for i in range(repeats):
            name = f"layer{stage}.{i}"
            stride = 2 if stage < 4 and i == repeats - 1 else 1
            skip = x
            branch = bottleneck(net, x, name, width, stride)
            if x.channels != 4 * width:
                skip = net.conv(x, 1, stride, channels=4 * width, name=f"{name}.downsample.0")
            elif stride > 1:
                skip = net.max_pool(x, 1, stride, name=f"{name}.downsample.0")
            x = joined(net, branch, skip, name)
        net.identity(x, name=f"layer{stage}")
    return classifier(net, x) if head else x


ARCHITECTURES = (
    *(Architecture(f"resnet{depth}", partial(resnet, depth=depth), PAPER) for depth in BLOCKS),
    *(
        Architecture(f"resnet_v1_{depth}", partial(resnet_v1, depth=depth), PAPER)
        for depth in (50, 101, 152)
    ),
)
