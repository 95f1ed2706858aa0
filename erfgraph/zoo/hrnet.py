"""HRNet (Wang et al. 2020): branches at several scales side by side, fused again and again.

Names are timm's. A module returns one map per scale; the one at scale `i` is named after the
list of what is added up to it, ``stage4.2.fuse_layers.0`` for the finest of the last. The
network ends there; ``.fuse_layers.1`` to ``.3`` are its other outputs, at half the scale each.
With its head all four are joined for classification. Sizes are multiples of 32: else branches
do not meet, and the addition says so.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import After, batch_norm, conv, ending, follow, relu

PAPER = "Wang et al. 2020, arXiv:1908.07919"
MODULES = (1, 4, 3)  # in stages 2, 3 and 4, of two, three and four branches
BLOCKS = 4  # of each branch of a module, and of the first stage
HEAD = (32, 64, 128, 256)


def active(name: str) -> tuple[After, ...]:
    """What follows a convolution in a sequence of its own."""
    return batch_norm(f"{name}.1"), relu(f"{name}.2"), name


def block(
    net: Network, x: FeatureMap, name: str, layers: tuple[tuple[int, int], ...]
) -> FeatureMap:
    """A residual block of convolutions given by kernel and channels."""
    y = x
    for i, (kernel, channels) in enumerate(layers, start=1):
        last = i == len(layers)
        after = (batch_norm(f"{name}.bn{i}"), *(() if last else (relu(f"{name}.act{i}"),)))
        y = conv(net, y, f"{name}.conv{i}", channels, kernel, then=after)
    skip = x
    if x.channels != y.channels:
        projected = (batch_norm(f"{name}.downsample.1"), f"{name}.downsample")
        skip = conv(net, x, f"{name}.downsample.0", y.channels, 1, then=projected)
    return ending(net, net.add(y, skip, name=name), relu(f"{name}.act{len(layers)}"))


def bottleneck(net: Network, x: FeatureMap, name: str, width: int) -> FeatureMap:
    """1x1, 3x3 and 1x1 convolutions, the last four times as wide."""
    return block(net, x, name, ((1, width), (3, width), (1, 4 * width)))


def fused(net: Network, xs: list[FeatureMap], name: str) -> list[FeatureMap]:
    """At every scale, the sum of all branches, brought to that scale."""
    made: dict[int, FeatureMap] = {}
    for i in reversed(range(len(xs))):  # the finest last: the network ends with it
        parts = []
        for j, x in enumerate(xs):
            part = f"{name}.fuse_layers.{i}.{j}"
            if j > i:  # up, from a coarser branch
                x = conv(net, x, f"{part}.0", xs[i].channels, 1, then=(batch_norm(f"{part}.1"),))
                x = net.upsample(x, 2 ** (j - i), name=f"{part}.2")
            for k in range(i - j):  # down, from a finer one
                last = k == i - j - 1
                channels = xs[i].channels if last else x.channels
                step = f"{part}.{k}"
                active = () if last else (relu(f"{step}.2"),)
                after = (batch_norm(f"{step}.1"), *active, step)
                x = conv(net, x, f"{step}.0", channels, 3, 2, then=after)
            parts.append(follow(net, x, part))
        made[i] = ending(net, net.add(*parts, name=f"{name}.fuse_layers.{i}"), relu())
    return [made[i] for i in range(len(xs))]


def transition(
    net: Network, xs: list[FeatureMap], name: str, widths: tuple[int, ...]
) -> list[FeatureMap]:
    """One more branch, strided off the coarsest, and the widths of the next stage."""
    last = f"{name}.{len(xs)}"
    new = conv(net, xs[-1], f"{last}.0.0", widths[-1], 3, 2, then=(*active(f"{last}.0"), last))
    kept = [
        x
        if x.channels == width
        else conv(net, x, f"{name}.{i}.0", width, then=active(f"{name}.{i}"))
        for i, (x, width) in enumerate(zip(xs, widths[:-1], strict=True))
    ]
    return [*kept, new]


def classifier(net: Network, xs: list[FeatureMap]) -> FeatureMap:
    """From fine to coarse, each scale widened and added to what was strided down to it."""
    y = None
    for i, (x, width) in enumerate(zip(xs, HEAD, strict=True)):
        x = follow(net, bottleneck(net, x, f"incre_modules.{i}.0", width), f"incre_modules.{i}")
        if y is not None:
            name = f"downsamp_modules.{i - 1}"
            y = conv(net, y, f"{name}.0", x.channels, 3, 2, then=active(name))
            x = net.add(x, y, name=f"{name}.add")
        y = x
    assert y is not None
    y = conv(net, y, "final_layer.0", 2048, 1, then=active("final_layer"))
    y = net.global_pool(y, name="global_pool")
    return net.linear(y, channels=1000, name="classifier")


def hrnet(net: Network, x: FeatureMap, head: bool = False, *, width: int = 18) -> FeatureMap:
    """A stem to a quarter of the size, a stage of bottlenecks, and three of branches."""
    for i in (1, 2):
        x = conv(net, x, f"conv{i}", 64, 3, 2, then=(batch_norm(f"bn{i}"), relu(f"act{i}")))
    for i in range(BLOCKS):
        x = bottleneck(net, x, f"layer1.{i}", 64)
    xs = [follow(net, x, "layer1")]
    for stage, modules in enumerate(MODULES, start=2):
        widths = tuple(width << i for i in range(stage))
        xs = transition(net, xs, f"transition{stage - 1}", widths)
        for m in range(modules):
            name = f"stage{stage}.{m}"
            for j, channels in enumerate(widths):
                for i in range(BLOCKS):
                    pair = ((3, channels), (3, channels))
                    xs[j] = block(net, xs[j], f"{name}.branches.{j}.{i}", pair)
                follow(net, xs[j], f"{name}.branches.{j}")
            xs = fused(net, xs, name)
    return classifier(net, xs) if head else xs[0]


ARCHITECTURES = tuple(
    Architecture(f"hrnet_w{width}", partial(hrnet, width=width), PAPER, init="kaiming_fan_out")
    for width in (18, 30, 32, 40, 44, 48, 64)
)
