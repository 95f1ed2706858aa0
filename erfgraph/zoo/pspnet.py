"""PSPNet (Zhao et al. 2017) on a dilated ResNet-50.

Names are those of the authors' PyTorch version, hszhao/semseg: ``layer0`` is the stem of
three 3x3 convolutions, ``ppm`` the pyramid pooling, ``cls`` the classifier. The last two
stages dilate in place of striding, so the network ends at stride 8, with the 3x3 convolution
of the classifier (``cls.3``). Its head makes the classes and resizes them to the input.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import batch_norm, conv, ending, follow, relu

PAPER = "Zhao et al. 2017, arXiv:1612.01105"
STAGES = ((64, 1, 1), (128, 2, 1), (256, 1, 2), (512, 1, 4))  # width, stride, dilation
DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
BINS = (1, 2, 3, 6)  # sides of the pooled maps
CLASSES = 150  # of ADE20K


def bottleneck(
    net: Network, x: FeatureMap, name: str, width: int, stride: int, dilation: int
) -> FeatureMap:
    """1x1, 3x3 and 1x1 convolutions; the 3x3 strides or dilates."""
    y = conv(net, x, f"{name}.conv1", width, 1, then=(batch_norm(f"{name}.bn1"), relu()))
    after = (batch_norm(f"{name}.bn2"), relu())
    y = conv(net, y, f"{name}.conv2", width, 3, stride, dilation=dilation, then=after)
    y = conv(net, y, f"{name}.conv3", 4 * width, 1, then=(batch_norm(f"{name}.bn3"),))
    skip = x
    if stride > 1 or x.channels != 4 * width:
        projected = (batch_norm(f"{name}.downsample.1"), f"{name}.downsample")
        skip = conv(net, x, f"{name}.downsample.0", 4 * width, 1, stride, then=projected)
    return ending(net, net.add(y, skip, name=name), relu(f"{name}.relu"))


def pyramid(net: Network, x: FeatureMap) -> FeatureMap:
    """Means over cells of four sizes, resized and put beside the map itself."""
    parts = [x]
    for i, size in enumerate(BINS):
        name = f"ppm.features.{i}"
        y = net.adaptive_pool(x, size, name=f"{name}.0")
        after = (batch_norm(f"{name}.2"), relu(f"{name}.3"), name)
        y = conv(net, y, f"{name}.1", x.channels // len(BINS), 1, then=after)
        parts.append(
            net.upsample(
                y, size=x.shape, mode="bilinear", align_corners=True, name=f"{name}.upsample"
            )
        )
    return net.concat(*parts, name="ppm")


def pspnet(net: Network, x: FeatureMap, head: bool = False, *, depth: int = 50) -> FeatureMap:
    """A dilated ResNet, pyramid pooling, and a 3x3 convolution."""
    size = x.shape
    for i, (width, stride) in enumerate(((64, 2), (64, 1), (128, 1))):
        after = (batch_norm(f"layer0.{3 * i + 1}"), relu(f"layer0.{3 * i + 2}"))
        x = conv(net, x, f"layer0.{3 * i}", width, 3, stride, then=after)
    x = follow(net, net.max_pool(x, 3, 2, 1, name="layer0.9"), "layer0")
    stages = zip(STAGES, DEPTHS[depth], strict=True)
    for stage, ((width, stride, dilation), repeats) in enumerate(stages, start=1):
        for i in range(repeats):
            step = stride if i == 0 else 1
            x = bottleneck(net, x, f"layer{stage}.{i}", width, step, dilation)
        follow(net, x, f"layer{stage}")
    dropped = (batch_norm("cls.1"), relu("cls.2"), "cls.3")
    x = conv(net, pyramid(net, x), "cls.0", 512, then=dropped)
    if head:
        x = conv(net, x, "cls.4", CLASSES, 1, then=("cls",))
        x = net.upsample(x, size=size, mode="bilinear", align_corners=True, name="upsample")
    return x


INIT = "kaiming_fan_out"  # of the ResNet; the rest is PyTorch's own

ARCHITECTURES = (
    Architecture("pspnet", pspnet, PAPER, (473, 473), init=INIT),
    Architecture("pspnet101", partial(pspnet, depth=101), PAPER, (473, 473), init=INIT),
)
