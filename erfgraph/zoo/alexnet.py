"""AlexNet in one column (Krizhevsky 2014), as torchvision builds it."""

from __future__ import annotations

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture

# index within `features`: width, kernel, stride, padding
CONVOLUTIONS = {
    0: (64, 11, 4, 2),
    3: (192, 5, 1, 2),
    6: (384, 3, 1, 1),
    8: (256, 3, 1, 1),
    10: (256, 3, 1, 1),
}
POOLED_AFTER = (0, 3, 10)


def alexnet(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Five convolutions, each with a ReLU, and three overlapping max pools."""
    for i, (width, kernel, stride, padding) in CONVOLUTIONS.items():
        then = (blocks.relu(f"features.{i + 1}"),)
        x = blocks.conv(net, x, f"features.{i}", width, kernel, stride, padding=padding, then=then)
        if i in POOLED_AFTER:
            x = net.max_pool(x, 3, 2, name=f"features.{i + 2}")
    net.identity(x, name="features")
    if head:
        x = net.adaptive_pool(x, 6, name="avgpool")
        x = blocks.sequence(net, x, "classifier", (None, 4096, "relu", None, 4096, "relu", 1000))
    return x


ARCHITECTURES = (Architecture("alexnet", alexnet, "Krizhevsky 2014, arXiv:1404.5997"),)
