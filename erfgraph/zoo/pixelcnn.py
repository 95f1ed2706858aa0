"""PixelCNN (van den Oord et al. 2016): each pixel from those before it, in raster order.

Masks keep the taps above, and those to the left in the same row; mask A leaves the pixel
itself out, mask B keeps it. So a unit sees nothing of itself or of what comes after it. It
does not see all that comes before either: 3x3 masks reach one further column to the right with
each row up, which leaves a blind spot above to the right, of pixels ``(-r, c)`` with
``c > r + 2``, for every number of blocks.

Within a pixel the paper also orders red, green and blue by masks over channels. A unit is all
channels of a position, so that order is not told apart. No implementation's names have become
usual; here ``conv_in`` is the 7x7, ``blocks.0.conv2`` a 3x3, ``conv_out`` the head.
"""

from __future__ import annotations

import numpy as np

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import conv, follow, half, relu

PAPER = "van den Oord et al. 2016, arXiv:1601.06759"
BLOCKS, WIDTH, LEVELS = 15, 128, 256


def mask(kernel: int, itself: bool) -> list[list[bool]]:
    """The taps of a square kernel that come before its centre in raster order."""
    flat = np.arange(kernel * kernel) < kernel * kernel // 2 + itself
    kept: list[list[bool]] = flat.reshape(kernel, kernel).tolist()
    return kept


def masked(
    net: Network, x: FeatureMap, name: str, channels: int, kernel: int, itself: bool
) -> FeatureMap:
    """A convolution of mask B if it keeps the pixel itself, else of mask A."""
    kept = mask(kernel, itself)
    return net.conv(x, kernel, 1, half(kernel), channels=channels, mask=kept, name=name)


def pixelcnn(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """A 7x7 of mask A, then residual blocks with a 3x3 of mask B, all but the first of a ReLU."""
    colours = x.channels
    x = masked(net, x, "conv_in", 2 * WIDTH, 7, itself=False)
    for i in range(BLOCKS):
        name = f"blocks.{i}"
        y = conv(net, follow(net, x, relu()), f"{name}.conv1", WIDTH, 1, then=(relu(),))
        y = follow(net, masked(net, y, f"{name}.conv2", WIDTH, 3, itself=True), relu())
        y = conv(net, y, f"{name}.conv3", 2 * WIDTH, 1)
        x = net.add(x, y, name=name)
    if head:
        for i, channels in enumerate((1024, 1024, LEVELS * colours)):
            x = conv(net, follow(net, x, relu()), f"conv_out.{i}", channels, 1)
    return x


ARCHITECTURES = (Architecture("pixelcnn", pixelcnn, PAPER, (32, 32)),)
