"""Temporal convolutional network (Bai et al. 2018), as for digits read pixel by pixel.

Names are those of the authors' PyTorch version, locuslab/TCN. It pads both sides of each
convolution, then cuts the right side off (``chomp1``); here only the left is padded, which is
the same. Eight levels of kernel 7 see 3061 samples, more than the 784 of a digit. The head
reads the last sample alone.
"""

from __future__ import annotations

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import conv, ending, follow, relu

PAPER = "Bai et al. 2018, arXiv:1803.01271"
LEVELS, KERNEL, WIDTH, CLASSES = 8, 7, 25, 10


def temporal(net: Network, x: FeatureMap, name: str, dilation: int) -> FeatureMap:
    """Two causal convolutions of the same dilation, and a skip."""
    y = x
    for i in (1, 2):
        after = (f"{name}.chomp{i}", relu(f"{name}.relu{i}"), f"{name}.dropout{i}")
        left = ((dilation * (KERNEL - 1), 0),)
        of = f"{name}.conv{i}"
        y = conv(net, y, of, WIDTH, KERNEL, padding=left, dilation=dilation, then=after)
    follow(net, y, f"{name}.net")
    skip = x if x.channels == WIDTH else conv(net, x, f"{name}.downsample", WIDTH, 1)
    return ending(net, net.add(y, skip, name=name), relu(f"{name}.relu"))


def tcn(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Eight levels, each dilated twice as far as the one before."""
    for i in range(LEVELS):
        x = temporal(net, x, f"tcn.network.{i}", 2**i)
    follow(net, x, "tcn.network", "tcn")
    if head:
        x = net.slice(x, -1, name="last")
        x = net.linear(x, channels=CLASSES, name="linear")
    return x


# its authors set a standard deviation of 0.01, but weight norm computes the weights anew from what
# PyTorch drew
ARCHITECTURES = (Architecture("tcn", tcn, PAPER, (784,), 1),)
