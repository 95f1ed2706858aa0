"""Residual networks (He et al. 2016) and their wide and grouped kin.

torchvision and TF-slim differ in where a stage strides: torchvision in the first block of a
stage, TF-slim in the last block of the stage before. So their fields differ, 427 against 483
for ResNet-50.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import batch_norm, relu

PAPER = "He et al. 2016, arXiv:1512.03385"
WIDE = "Zagoruyko and Komodakis 2016, arXiv:1605.07146"
GROUPED = "Xie et al. 2017, arXiv:1611.05431"
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
    then = (batch_norm(f"{name}.bn1"), relu())
    x = blocks.conv(net, x, f"{name}.conv1", width, stride=stride, then=then)
    return blocks.conv(net, x, f"{name}.conv2", width, then=(batch_norm(f"{name}.bn2"),))


def bottleneck(
    net: Network,
    x: FeatureMap,
    name: str,
    width: int,
    stride: int,
    dilation: int = 1,
    groups: int = 1,
    group_width: int = 64,
) -> FeatureMap:
    """1x1, 3x3 and 1x1 convolutions, the 3x3 strided, the last four times `width`."""
    inner = width * group_width // 64 * groups
    then = (batch_norm(f"{name}.bn1"), relu())
    x = blocks.conv(net, x, f"{name}.conv1", inner, 1, then=then)
    x = blocks.conv(
        net,
        x,
        f"{name}.conv2",
        inner,
        stride=stride,
        dilation=dilation,
        groups=groups,
        then=(batch_norm(f"{name}.bn2"), relu()),
    )
    return blocks.conv(net, x, f"{name}.conv3", 4 * width, 1, then=(batch_norm(f"{name}.bn3"),))


def stem(net: Network, x: FeatureMap, pool_padding: int | str, prefix: str = "") -> FeatureMap:
    """A strided 7x7 convolution and a strided 3x3 max pool."""
    then = (batch_norm(f"{prefix}bn1"), relu(f"{prefix}relu"))
    x = blocks.conv(net, x, f"{prefix}conv1", 64, 7, 2, then=then)
    return net.max_pool(x, 3, 2, pool_padding, name=f"{prefix}maxpool")


def joined(net: Network, x: FeatureMap, skip: FeatureMap, name: str) -> FeatureMap:
    """The end of a block: its branch plus its skip, then a ReLU."""
    return blocks.ending(net, net.add(x, skip, name=name), relu(f"{name}.relu"))


def resnet(
    net: Network,
    x: FeatureMap,
    depth: int,
    head: bool = False,
    groups: int = 1,
    group_width: int = 64,
    dilated: tuple[bool, bool, bool] = (False, False, False),
    prefix: str = "",
) -> FeatureMap:
    """torchvision's placement: the first block of a stage strides.

    `dilated` says of the last three stages which trade their stride for dilation; the first
    block of such a stage keeps the dilation of the stage before.
    """
    expansion = 1 if depth < 50 else 4
    dilation = 1
    x = stem(net, x, 1, prefix)
    for stage, (repeats, width) in enumerate(zip(BLOCKS[depth], WIDTHS, strict=True), start=1):
        stride, before = (1 if stage == 1 else 2), dilation
        if stage > 1 and dilated[stage - 2]:
            stride, dilation = 1, dilation * 2
        for i in range(repeats):
            name = f"{prefix}layer{stage}.{i}"
            step, spacing = (stride, before) if i == 0 else (1, dilation)
            branch = (
                basic(net, x, name, width, step)
                if expansion == 1
                else bottleneck(net, x, name, width, step, spacing, groups, group_width)
            )
            if step > 1 or x.channels != expansion * width:
                then = (batch_norm(f"{name}.downsample.1"), f"{name}.downsample")
                x = blocks.conv(
                    net, x, f"{name}.downsample.0", expansion * width, 1, step, then=then
                )
            x = joined(net, branch, x, name)
        net.identity(x, name=f"{prefix}layer{stage}")
    return blocks.fc(net, x) if head else x


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
                skip = blocks.conv(
                    net, x, f"{name}.downsample.0", 4 * width, 1, stride, then=(batch_norm(),)
                )
            elif stride > 1:
                skip = net.max_pool(x, 1, stride, name=f"{name}.downsample.0")
            x = joined(net, branch, skip, name)
        net.identity(x, name=f"layer{stage}")
    return blocks.fc(net, x) if head else x


INIT = "kaiming_fan_out"  # torchvision's; TF-slim's is a truncated normal of variance 2/fan-in

ARCHITECTURES = (
    *(
        Architecture(f"resnet{depth}", partial(resnet, depth=depth), PAPER, init=INIT)
        for depth in BLOCKS
    ),
    *(
        Architecture(
            f"resnet_v1_{depth}", partial(resnet_v1, depth=depth), PAPER, init="kaiming_fan_in"
        )
        for depth in (50, 101, 152)
    ),
    *(
        Architecture(
            f"wide_resnet{depth}_2",
            partial(resnet, depth=depth, group_width=128),
            WIDE,
            init=INIT,
        )
        for depth in (50, 101)
    ),
    *(
        Architecture(
            f"resnext{depth}_{groups}x{width}d",
            partial(resnet, depth=depth, groups=groups, group_width=width),
            GROUPED,
            init=INIT,
        )
        for depth, groups, width in ((50, 32, 4), (101, 32, 8), (101, 64, 4))
    ),
)
