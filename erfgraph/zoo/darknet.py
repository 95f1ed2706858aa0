"""Darknet-53 (Redmon and Farhadi 2018), the backbone of YOLOv3; names are timm's."""

from __future__ import annotations

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, batch_norm, conv, follow

PAPER = "Redmon and Farhadi 2018, arXiv:1804.02767"
SLOPE = 0.1  # the authors', as the initialisation is; timm's is 0.01
STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))  # channels and blocks


def unit(
    net: Network, x: FeatureMap, name: str, width: int, kernel: int, stride: int = 1
) -> FeatureMap:
    """A convolution with its norm and its leaky ReLU, which timm has within the norm."""
    leaky = Function("leaky_relu", f"{name}.bn.act", SLOPE)
    after = (batch_norm(), leaky, f"{name}.bn", name)
    return conv(net, x, f"{name}.conv", width, kernel, stride, then=after)


def darknet53(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Five stages: a strided convolution, then residual blocks of a 1x1 and a 3x3."""
    x = follow(net, unit(net, x, "stem.conv1", 32, 3), "stem")
    for stage, (width, depth) in enumerate(STAGES):
        name = f"stages.{stage}"
        x = unit(net, x, f"{name}.conv_down", width, 3, 2)
        for i in range(depth):
            block = f"{name}.blocks.{i}"
            y = unit(net, x, f"{block}.conv1", width // 2, 1)
            y = unit(net, y, f"{block}.conv2", width, 3)
            x = net.add(y, x, name=block)
        follow(net, x, f"{name}.blocks", name)
    follow(net, x, "stages")
    if head:
        x = net.global_pool(x, name="head.global_pool")
        x = follow(net, net.linear(x, channels=1000, name="head.fc"), "head")
    return x


ARCHITECTURES = (Architecture("darknet53", darknet53, PAPER, (256, 256), init="kaiming_fan_in"),)
