"""EfficientNet and its version 2 (Tan and Le 2019, 2021), as torchvision builds them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.mobilenet import inverted

V1_PAPER = "Tan and Le 2019, arXiv:1905.11946"
V2_PAPER = "Tan and Le 2021, arXiv:2104.00298"


class Stage(NamedTuple):
    """Blocks of one width; a fused block has one convolution in place of two."""

    fused: bool
    factor: int
    kernel: int
    stride: int
    width: int
    repeats: int


# factor of widening, kernel, stride of the first, width, blocks
BASE = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# factors of width and depth, input size
V1 = {
    "b0": (1.0, 1.0, 224),
    "b1": (1.0, 1.1, 240),
    "b2": (1.1, 1.2, 288),
    "b3": (1.2, 1.4, 300),
    "b4": (1.4, 1.8, 380),
    "b5": (1.6, 2.2, 456),
    "b6": (1.8, 2.6, 528),
    "b7": (2.0, 3.1, 600),
}
V2 = {
    "s": (
        Stage(True, 1, 3, 1, 24, 2),
        Stage(True, 4, 3, 2, 48, 4),
        Stage(True, 4, 3, 2, 64, 4),
        Stage(False, 4, 3, 2, 128, 6),
        Stage(False, 6, 3, 1, 160, 9),
        Stage(False, 6, 3, 2, 256, 15),
    ),
    "m": (
        Stage(True, 1, 3, 1, 24, 3),
        Stage(True, 4, 3, 2, 48, 5),
        Stage(True, 4, 3, 2, 80, 5),
        Stage(False, 4, 3, 2, 160, 7),
        Stage(False, 6, 3, 1, 176, 14),
        Stage(False, 6, 3, 2, 304, 18),
        Stage(False, 6, 3, 1, 512, 5),
    ),
    "l": (
        Stage(True, 1, 3, 1, 32, 4),
        Stage(True, 4, 3, 2, 64, 7),
        Stage(True, 4, 3, 2, 96, 7),
        Stage(False, 4, 3, 2, 192, 10),
        Stage(False, 6, 3, 1, 224, 19),
        Stage(False, 6, 3, 2, 384, 25),
        Stage(False, 6, 3, 1, 640, 7),
    ),
}
V2_INPUT = {"s": 384, "m": 480, "l": 480}


def fused(
    net: Network, x: FeatureMap, name: str, inner: int, width: int, kernel: int, stride: int
) -> FeatureMap:
    """A full convolution to `inner` channels, then, where that widens, a 1x1 one to `width`."""
    y = blocks.conv_norm(net, x, f"{name}.block.0", inner, kernel, stride, act="silu")
    if inner != x.channels:
        y = blocks.conv_norm(net, y, f"{name}.block.1", width, 1, act=None)
    net.identity(y, name=f"{name}.block")
    skip = x if stride == 1 and x.channels == width else None
    if skip:
        net.identity(y, name=f"{name}.stochastic_depth")
    return blocks.joined(net, y, skip, name)


def efficientnet(
    net: Network,
    x: FeatureMap,
    stem: int,
    stages: Sequence[Stage],
    last: int,
    head: bool = False,
) -> FeatureMap:
    """A strided stem, stages of inverted residuals, and a 1x1 convolution to `last` channels."""
    x = blocks.conv_norm(net, x, "features.0", stem, stride=2, act="silu")
    for i, stage in enumerate(stages, start=1):
        for j in range(stage.repeats):
            name, stride = f"features.{i}.{j}", stage.stride if j == 0 else 1
            inner = blocks.divisible(stage.factor * x.channels)
            if stage.fused:
                x = fused(net, x, name, inner, stage.width, stage.kernel, stride)
            else:
                x = inverted(
                    net,
                    x,
                    name,
                    inner,
                    stage.width,
                    stage.kernel,
                    stride,
                    squeezed=max(1, x.channels // 4),
                    drop=True,
                    act="silu",
                    gating=("silu", "sigmoid"),
                )
        net.identity(x, name=f"features.{i}")
    x = blocks.conv_norm(net, x, f"features.{len(stages) + 1}", last, 1, act="silu")
    net.identity(x, name="features")
    return blocks.classifier(net, x, None, 1000) if head else x


def scaled(
    net: Network, x: FeatureMap, width: float, depth: float, head: bool = False
) -> FeatureMap:
    """Version 1: the same stages, scaled in width and depth."""
    stages = [
        Stage(False, factor, kernel, stride, blocks.divisible(w * width), math.ceil(n * depth))
        for factor, kernel, stride, w, n in BASE
    ]
    stem, last = blocks.divisible(32 * width), 4 * stages[-1].width
    return efficientnet(net, x, stem, stages, last, head)


ARCHITECTURES = (
    *(
        Architecture(
            f"efficientnet_{name}",
            partial(scaled, width=width, depth=depth),
            V1_PAPER,
            (n, n),
            init="kaiming_fan_out",
        )
        for name, (width, depth, n) in V1.items()
    ),
    *(
        Architecture(
            f"efficientnet_v2_{name}",
            partial(efficientnet, stem=stages[0].width, stages=stages, last=1280),
            V2_PAPER,
            (V2_INPUT[name],) * 2,
            init="kaiming_fan_out",
        )
        for name, stages in V2.items()
    ),
)
