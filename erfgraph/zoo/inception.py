"""GoogLeNet and Inception v3 (Szegedy et al. 2015, 2016), as torchvision builds them.

Without the auxiliary classifiers, which only take part in training.
"""

from __future__ import annotations

from collections.abc import Sequence

from erfgraph.network import FeatureMap, Network, PerAxis
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture

ROW, COLUMN = (1, 7), (7, 1)
FORKS = (("a", (1, 3)), ("b", (3, 1)))


def basic(
    net: Network,
    x: FeatureMap,
    name: str,
    channels: int,
    kernel: PerAxis = 1,
    stride: int = 1,
    padding: int | None = None,
) -> FeatureMap:
    """torchvision's BasicConv2d: a convolution, its norm, a ReLU."""
    then = (blocks.batch_norm(f"{name}.bn"), blocks.relu(), name)
    return blocks.conv(
        net, x, f"{name}.conv", channels, kernel, stride, padding=padding, then=then
    )


# --- GoogLeNet ---

# widths of 1x1, of 3x3 and of "5x5" before and after, and of the pool's projection; None: a pool
GOOGLENET = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "maxpool3": None,
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "maxpool4": None,
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


def inception(net: Network, x: FeatureMap, name: str, widths: Sequence[int]) -> FeatureMap:
    """Four branches; torchvision's third is 3x3 too, where the paper has 5x5."""
    one, *reduced, projected = widths
    made = [basic(net, x, f"{name}.branch1", one)]
    for i, (before, after) in enumerate((reduced[:2], reduced[2:]), start=2):
        branch = f"{name}.branch{i}"
        y = basic(net, x, f"{branch}.0", before)
        made.append(net.identity(basic(net, y, f"{branch}.1", after, 3), name=branch))
    branch = f"{name}.branch4"
    y = net.max_pool(x, 3, 1, 1, ceil_mode=True, name=f"{branch}.0")
    made.append(net.identity(basic(net, y, f"{branch}.1", projected), name=branch))
    return net.concat(*made, name=name)


def googlenet(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """A stem and nine inception modules; pools round their size up."""
    x = basic(net, x, "conv1", 64, 7, 2)
    x = net.max_pool(x, 3, 2, ceil_mode=True, name="maxpool1")
    x = basic(net, x, "conv2", 64)
    x = basic(net, x, "conv3", 192, 3)
    x = net.max_pool(x, 3, 2, ceil_mode=True, name="maxpool2")
    for name, widths in GOOGLENET.items():
        if widths is None:
            x = net.max_pool(x, 3 if name == "maxpool3" else 2, 2, ceil_mode=True, name=name)
        else:
            x = inception(net, x, name, widths)
    return blocks.fc(net, x, "dropout") if head else x


# --- Inception v3 ---


def chain(
    net: Network, x: FeatureMap, name: str, widths: Sequence[int], kernels: Sequence[PerAxis]
) -> FeatureMap:
    """Convolutions in a row, numbered from 1."""
    for i, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
        x = basic(net, x, f"{name}_{i}", width, kernel)
    return x


def strided(net: Network, x: FeatureMap, name: str, channels: int) -> FeatureMap:
    """A 3x3 convolution that halves the size, without padding."""
    return basic(net, x, name, channels, 3, 2, padding=0)


def projected(net: Network, x: FeatureMap, name: str, channels: int) -> FeatureMap:
    """An average pool and a 1x1 convolution."""
    pooled = net.avg_pool(x, 3, 1, 1, name=f"{name}.avg_pool")
    return basic(net, pooled, f"{name}.branch_pool", channels)


def block_a(net: Network, x: FeatureMap, name: str, pooled: int) -> FeatureMap:
    """Branches of 1x1, of 5x5 and of two 3x3."""
    one = basic(net, x, f"{name}.branch1x1", 64)
    five = chain(net, x, f"{name}.branch5x5", (48, 64), (1, 5))
    double = chain(net, x, f"{name}.branch3x3dbl", (64, 96, 96), (1, 3, 3))
    return net.concat(one, five, double, projected(net, x, name, pooled), name=name)


def block_b(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Halves the size: branches of one 3x3, of two, and of a max pool."""
    three = strided(net, x, f"{name}.branch3x3", 384)
    double = chain(net, x, f"{name}.branch3x3dbl", (64, 96), (1, 3))
    double = strided(net, double, f"{name}.branch3x3dbl_3", 96)
    return net.concat(three, double, net.max_pool(x, 3, 2, name=f"{name}.max_pool"), name=name)


def block_c(net: Network, x: FeatureMap, name: str, width: int) -> FeatureMap:
    """Branches of 1x1, and of one and two 7x7, each factored into a row and a column."""
    one = basic(net, x, f"{name}.branch1x1", 192)
    seven = chain(net, x, f"{name}.branch7x7", (width, width, 192), (1, ROW, COLUMN))
    kernels = (1, COLUMN, ROW, COLUMN, ROW)
    double = chain(net, x, f"{name}.branch7x7dbl", (*(width,) * 4, 192), kernels)
    return net.concat(one, seven, double, projected(net, x, name, 192), name=name)


def block_d(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Halves the size: branches of a 3x3, of a factored 7x7 and a 3x3, and of a max pool."""
    three = basic(net, x, f"{name}.branch3x3_1", 192)
    three = strided(net, three, f"{name}.branch3x3_2", 320)
    seven = chain(net, x, f"{name}.branch7x7x3", (192,) * 3, (1, ROW, COLUMN))
    seven = strided(net, seven, f"{name}.branch7x7x3_4", 192)
    return net.concat(three, seven, net.max_pool(x, 3, 2, name=f"{name}.max_pool"), name=name)


def block_e(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Branches of 1x1, and of 3x3 that fork into a row and a column."""
    one = basic(net, x, f"{name}.branch1x1", 320)
    three = basic(net, x, f"{name}.branch3x3_1", 384)
    double = chain(net, x, f"{name}.branch3x3dbl", (448, 384), (1, 3))
    forked = [
        net.concat(
            *(basic(net, y, f"{name}.{branch}_{i}{s}", 384, k) for s, k in FORKS),
            name=f"{name}.{branch}.concat",
        )
        for y, branch, i in ((three, "branch3x3", 2), (double, "branch3x3dbl", 3))
    ]
    return net.concat(one, *forked, projected(net, x, name, 192), name=name)


def inception_v3(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """A stem without padding and eleven inception modules; two spatial axes only."""
    x = basic(net, x, "Conv2d_1a_3x3", 32, 3, 2, padding=0)
    x = basic(net, x, "Conv2d_2a_3x3", 32, 3, padding=0)
    x = basic(net, x, "Conv2d_2b_3x3", 64, 3)
    x = net.max_pool(x, 3, 2, name="maxpool1")
    x = basic(net, x, "Conv2d_3b_1x1", 80)
    x = basic(net, x, "Conv2d_4a_3x3", 192, 3, padding=0)
    x = net.max_pool(x, 3, 2, name="maxpool2")
    for letter, pooled in (("b", 32), ("c", 64), ("d", 64)):
        x = block_a(net, x, f"Mixed_5{letter}", pooled)
    x = block_b(net, x, "Mixed_6a")
    for letter, width in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
        x = block_c(net, x, f"Mixed_6{letter}", width)
    x = block_d(net, x, "Mixed_7a")
    for letter in "bc":
        x = block_e(net, x, f"Mixed_7{letter}")
    return blocks.fc(net, x, "dropout") if head else x


ARCHITECTURES = (
    Architecture("googlenet", googlenet, "Szegedy et al. 2015, arXiv:1409.4842", init="std=0.01"),
    Architecture(
        "inception_v3",
        inception_v3,
        "Szegedy et al. 2016, arXiv:1512.00567",
        (299, 299),
        init="std=0.1",
    ),
)
