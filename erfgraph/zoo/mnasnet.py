"""MNASNet (Tan et al. 2019), variant B1, as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import After

PAPER = "Tan et al. 2019, arXiv:1807.11626"
# width, kernel, stride of the first, factor of widening, blocks
STACKS = (
    (24, 3, 2, 3, 3),
    (40, 5, 2, 3, 3),
    (80, 5, 2, 6, 3),
    (96, 3, 1, 6, 2),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
ALPHAS = {"0_5": 0.5, "0_75": 0.75, "1_0": 1.0, "1_3": 1.3}


def active(name: str, i: int) -> tuple[After, ...]:
    """Norm and ReLU, the members `i` and `i` + 1 of a sequence."""
    return blocks.batch_norm(f"{name}.{i}"), blocks.relu(f"{name}.{i + 1}")


def inverted(
    net: Network, x: FeatureMap, name: str, width: int, kernel: int, stride: int, factor: int
) -> FeatureMap:
    """1x1, depthwise and 1x1 convolutions in one sequence; a skip where sizes allow it."""
    layers, inner = f"{name}.layers", factor * x.channels
    y = blocks.conv(net, x, f"{layers}.0", inner, 1, then=active(layers, 1))
    then = active(layers, 4)
    y = blocks.conv(net, y, f"{layers}.3", inner, kernel, stride, groups=inner, then=then)
    then = (blocks.batch_norm(f"{layers}.7"), layers)
    y = blocks.conv(net, y, f"{layers}.6", width, 1, then=then)
    return blocks.joined(net, y, x if stride == 1 and x.channels == width else None, name)


def mnasnet(net: Network, x: FeatureMap, alpha: float, head: bool = False) -> FeatureMap:
    """Stacks of inverted residuals, found by search; widths scaled by `alpha`."""
    stem, first = blocks.divisible(32 * alpha), blocks.divisible(16 * alpha)
    x = blocks.conv(net, x, "layers.0", stem, stride=2, then=active("layers", 1))
    x = blocks.conv(net, x, "layers.3", stem, groups=stem, then=active("layers", 4))
    x = blocks.conv(net, x, "layers.6", first, 1, then=(blocks.batch_norm("layers.7"),))
    for i, (width, kernel, stride, factor, repeats) in enumerate(STACKS, start=8):
        for j in range(repeats):
            x = inverted(
                net,
                x,
                f"layers.{i}.{j}",
                blocks.divisible(width * alpha),
                kernel,
                stride if j == 0 else 1,
                factor,
            )
        net.identity(x, name=f"layers.{i}")
    x = blocks.conv(net, x, "layers.14", 1280, 1, then=(*active("layers", 15), "layers"))
    return blocks.classifier(net, x, None, 1000) if head else x


ARCHITECTURES = tuple(
    Architecture(f"mnasnet{name}", partial(mnasnet, alpha=alpha), PAPER, init="kaiming_fan_out")
    for name, alpha in ALPHAS.items()
)
