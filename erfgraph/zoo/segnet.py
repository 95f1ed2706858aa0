"""SegNet (Badrinarayanan et al. 2017): VGG-16 down, its mirror image up, joined by max-unpooling.

Names are those of the authors' Caffe model: ``conv1_1`` and ``pool1`` on the way down,
``upsample5``, ``conv5_3_D`` on the way up. Pools round sizes up, as Caffe does, so any input
size comes back.

Max-unpooling puts a value back where its pool took it from, and zero elsewhere. Where that is
depends on the image; each position of the pool's window can be it, and reads no other unit.
So each is joined to the pooled unit: the edges of nearest-neighbour upsampling.
"""

from __future__ import annotations

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import batch_norm, conv, follow, relu

PAPER = "Badrinarayanan et al. 2017, arXiv:1511.00561"
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions
CLASSES = 11  # of CamVid


def unpooled(net: Network, x: FeatureMap, size: tuple[int, ...], name: str) -> FeatureMap:
    """Back to the size that was pooled, which a window may have overlapped."""
    odd = [(0, n % 2) for n in size]
    if not any(map(any, odd)):
        return net.upsample(x, 2, name=name)
    return net.crop(net.upsample(x, 2, name=f"{name}.whole"), odd, name=name)


def segnet(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Five stages down, five up; the very last convolution makes the classes."""
    sizes = []
    for stage, (width, depth) in enumerate(STAGES, start=1):
        for i in range(1, depth + 1):
            after = (batch_norm(f"conv{stage}_{i}_bn"), relu(f"relu{stage}_{i}"))
            x = conv(net, x, f"conv{stage}_{i}", width, then=after)
        sizes.append(x.shape)
        x = net.max_pool(x, 2, ceil_mode=True, name=f"pool{stage}")
    for stage in range(len(STAGES), 0, -1):
        width, depth = STAGES[stage - 1]
        x = unpooled(net, x, sizes[stage - 1], f"upsample{stage}")
        follow(net, x, f"pool{stage}_D")
        for i in range(depth, 0, -1):
            last = stage == i == 1
            if last and not head:
                break
            # the last convolution of a stage already has the width of the stage before
            channels = CLASSES if last else STAGES[stage - 2][0] if i == 1 else width
            x = conv(net, x, f"conv{stage}_{i}_D", channels)
            if not last:
                after = (batch_norm(f"conv{stage}_{i}_D_bn"), relu(f"relu{stage}_{i}_D"))
                x = follow(net, x, *after)
    return x


ARCHITECTURES = (Architecture("segnet", segnet, PAPER, (360, 480), init="kaiming_fan_in"),)
