"""RegNet (Radosavovic et al. 2020), as torchvision builds it."""

from __future__ import annotations

import itertools
import math
from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture

PAPER = "Radosavovic et al. 2020, arXiv:2003.13678"
# blocks, first width, slope of the widths, their step in log space, width of a group
SETTINGS = {
    "y_400mf": (16, 48, 27.89, 2.09, 8),
    "y_800mf": (14, 56, 38.84, 2.4, 16),
    "y_1_6gf": (27, 48, 20.71, 2.65, 24),
    "y_3_2gf": (21, 80, 42.63, 2.66, 24),
    "y_8gf": (17, 192, 76.82, 2.19, 56),
    "y_16gf": (18, 200, 106.23, 2.48, 112),
    "y_32gf": (20, 232, 115.89, 2.53, 232),
    "y_128gf": (27, 456, 160.83, 2.52, 264),
    "x_400mf": (22, 24, 24.48, 2.54, 16),
    "x_800mf": (16, 56, 35.73, 2.28, 16),
    "x_1_6gf": (18, 80, 34.01, 2.25, 24),
    "x_3_2gf": (25, 88, 26.31, 2.25, 48),
    "x_8gf": (23, 80, 49.56, 2.88, 120),
    "x_16gf": (22, 216, 55.59, 2.1, 128),
    "x_32gf": (23, 320, 69.86, 2.0, 168),
}


def stages(name: str) -> list[tuple[int, int, int]]:
    """Blocks, width and group width of each stage.

    Widths grow linearly from block to block, are rounded to powers of the step times the
    first width, then to multiples of 8, then to multiples of the group width; blocks of equal
    width are a stage.

    Examples
    --------
    >>> stages("x_400mf")
    [(1, 32, 16), (2, 64, 16), (7, 160, 16), (12, 400, 16)]
    """
    depth, first, slope, step, group = SETTINGS[name]
    powers = (round(math.log(1 + i * slope / first) / math.log(step)) for i in range(depth))
    widths = (round(first * step**power / 8) * 8 for power in powers)
    found = []
    for width, same in itertools.groupby(widths):
        within = min(group, width)
        found.append((len(list(same)), blocks.divisible(width, within), within))
    return found


def block(
    net: Network, x: FeatureMap, name: str, width: int, stride: int, group: int, squeezes: bool
) -> FeatureMap:
    """1x1, grouped 3x3 and 1x1 convolutions of one width, with a skip and a ReLU."""
    y = blocks.conv_norm(net, x, f"{name}.f.a", width, 1)
    y = blocks.conv_norm(net, y, f"{name}.f.b", width, stride=stride, groups=width // group)
    if squeezes:
        y = blocks.squeeze_excitation(net, y, f"{name}.f.se", round(0.25 * x.channels))
    y = blocks.conv_norm(net, y, f"{name}.f.c", width, 1, act=None)
    net.identity(y, name=f"{name}.f")
    if stride > 1 or x.channels != width:
        x = blocks.conv_norm(net, x, f"{name}.proj", width, 1, stride, act=None)
    return blocks.ending(net, net.add(x, y, name=name), blocks.relu(f"{name}.activation"))


def regnet(net: Network, x: FeatureMap, name: str, head: bool = False) -> FeatureMap:
    """A strided stem and four stages, each strided in its first block."""
    x = blocks.conv_norm(net, x, "stem", 32, stride=2)
    for i, (repeats, width, group) in enumerate(stages(name), start=1):
        stage = f"trunk_output.block{i}"
        for j in range(repeats):
            stride = 2 if j == 0 else 1
            x = block(net, x, f"{stage}.block{i}-{j}", width, stride, group, name[0] == "y")
        net.identity(x, name=stage)
    net.identity(x, name="trunk_output")
    return blocks.fc(net, x) if head else x


ARCHITECTURES = tuple(
    Architecture(f"regnet_{name}", partial(regnet, name=name), PAPER, init="kaiming_fan_out")
    for name in SETTINGS
)
