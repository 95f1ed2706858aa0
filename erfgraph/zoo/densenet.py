"""DenseNet (Huang et al. 2017), as torchvision builds it."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import batch_norm, relu

PAPER = "Huang et al. 2017, arXiv:1608.06993"
# growth, layers per block, width of the stem
SETTINGS = {
    121: (32, (6, 12, 24, 16), 64),
    161: (48, (6, 12, 36, 24), 96),
    169: (32, (6, 12, 32, 32), 64),
    201: (32, (6, 12, 48, 32), 64),
}


def dense_layer(net: Network, features: list[FeatureMap], name: str, growth: int) -> FeatureMap:
    """A 1x1 and a 3x3 convolution of all that the block has made so far, concatenated anew."""
    x = net.concat(*features, name=f"{name}.concat")
    x = blocks.follow(net, x, batch_norm(f"{name}.norm1"), relu(f"{name}.relu1"))
    then = (batch_norm(f"{name}.norm2"), relu(f"{name}.relu2"))
    x = blocks.conv(net, x, f"{name}.conv1", 4 * growth, 1, then=then)
    return blocks.conv(net, x, f"{name}.conv2", growth, then=(name,))


def transition(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """A 1x1 convolution that halves the width, and a 2x2 average pool."""
    x = blocks.follow(net, x, batch_norm(f"{name}.norm"), relu(f"{name}.relu"))
    x = blocks.conv(net, x, f"{name}.conv", x.channels // 2, 1)
    return net.identity(net.avg_pool(x, 2, name=f"{name}.pool"), name=name)


def densenet(net: Network, x: FeatureMap, depth: int, head: bool = False) -> FeatureMap:
    """Blocks in which every layer reads all layers before it."""
    growth, repeats, width = SETTINGS[depth]
    then = (batch_norm("features.norm0"), relu("features.relu0"))
    x = blocks.conv(net, x, "features.conv0", width, 7, 2, then=then)
    x = net.max_pool(x, 3, 2, 1, name="features.pool0")
    for b, layers in enumerate(repeats, start=1):
        block, features = f"features.denseblock{b}", [x]
        for i in range(1, layers + 1):
            features.append(dense_layer(net, features, f"{block}.denselayer{i}", growth))
        x = net.concat(*features, name=block)
        if b < len(repeats):
            x = transition(net, x, f"features.transition{b}")
    x = blocks.follow(net, x, batch_norm("features.norm5"), "features")
    if head:
        x = blocks.follow(net, x, relu())
        x = net.linear(net.global_pool(x, name="avgpool"), 1000, name="classifier")
    return x


ARCHITECTURES = tuple(
    Architecture(f"densenet{depth}", partial(densenet, depth=depth), PAPER, init="kaiming_fan_in")
    for depth in SETTINGS
)
