"""Stacked hourglass networks for human poses (Newell et al. 2016), two stacks.

Names are those of the authors' PyTorch version, princeton-vl/pytorch_stacked_hourglass:
``pre``, ``hgs.0.0.low2``, ``features.0``, ``outs.0``. Every stack makes heat maps
(``outs.0``), which the next one reads; the heat maps of the last are the head.
"""

from __future__ import annotations

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import After, batch_norm, conv, follow, relu

PAPER = "Newell et al. 2016, arXiv:1603.06937"
WIDTH, JOINTS, STACKS, DEPTH = 256, 16, 2, 4


def active(name: str) -> tuple[After, ...]:
    """What follows a convolution that stands in no residual."""
    return batch_norm(f"{name}.bn"), relu(f"{name}.relu"), name


def residual(net: Network, x: FeatureMap, name: str, width: int) -> FeatureMap:
    """A bottleneck of half the width whose norms and activations come first."""
    y = x
    for i, (kernel, channels) in enumerate(((1, width // 2), (3, width // 2), (1, width)), 1):
        y = follow(net, y, batch_norm(f"{name}.bn{i}"), relu())
        y = conv(net, y, f"{name}.conv{i}.conv", channels, kernel, then=(f"{name}.conv{i}",))
    skip = x
    if x.channels != width:
        skip = conv(net, x, f"{name}.skip_layer.conv", width, 1, then=(f"{name}.skip_layer",))
    return net.add(y, skip, name=name)


def hourglass(net: Network, x: FeatureMap, name: str, depth: int) -> FeatureMap:
    """A residual at this scale, plus an hourglass at half the scale."""
    upper = residual(net, x, f"{name}.up1", WIDTH)
    y = net.max_pool(x, 2, name=f"{name}.pool1")
    y = residual(net, y, f"{name}.low1", WIDTH)
    if depth > 1:
        y = hourglass(net, y, f"{name}.low2", depth - 1)
    else:
        y = residual(net, y, f"{name}.low2", WIDTH)
    y = residual(net, y, f"{name}.low3", WIDTH)
    # to the size of the other branch, which a pool may have rounded down
    y = net.upsample(y, size=upper.shape, name=f"{name}.up2")
    return net.add(upper, y, name=name)


def stacked_hourglass(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """A stem to a quarter of the size, then hourglasses one behind the other."""
    x = conv(net, x, "pre.0.conv", 64, 7, 2, then=active("pre.0"))
    x = residual(net, x, "pre.1", 128)
    x = net.max_pool(x, 2, name="pre.2")
    x = residual(net, x, "pre.3", 128)
    x = follow(net, residual(net, x, "pre.4", WIDTH), "pre")
    for i in range(STACKS):
        y = follow(net, hourglass(net, x, f"hgs.{i}.0", DEPTH), f"hgs.{i}")
        name = f"features.{i}"
        y = residual(net, y, f"{name}.0", WIDTH)
        y = conv(net, y, f"{name}.1.conv", WIDTH, 1, then=(*active(f"{name}.1"), name))
        if i == STACKS - 1 and not head:
            return y
        heat = conv(net, y, f"outs.{i}.conv", JOINTS, 1, then=(f"outs.{i}",))
        if i < STACKS - 1:
            merged = [
                conv(net, part, f"{name}.{i}.conv.conv", WIDTH, 1, then=(f"{name}.{i}",))
                for part, name in ((heat, "merge_preds"), (y, "merge_features"))
            ]
            x = net.add(x, *merged, name=f"merge.{i}")
    return heat


ARCHITECTURES = (Architecture("hourglass", stacked_hourglass, PAPER, (256, 256)),)
