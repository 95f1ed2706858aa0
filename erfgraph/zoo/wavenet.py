"""WaveNet (van den Oord et al. 2016): dilated causal convolutions over samples of sound.

Names are those of vincentherrmann/pytorch-wavenet. That version reads only as many samples as
its output needs; here every convolution is padded on the left, as in the paper, so that each
map is as long as the input. A gated unit is the product of two maps that read the same
samples: an edge from each (``gated.0``). All layers' skips are summed (``skip``); the network
ends with the sum, its head makes it one of 256 levels.
"""

from __future__ import annotations

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, conv, follow, relu

PAPER = "van den Oord et al. 2016, arXiv:1609.03499"
STACKS, LAYERS, KERNEL = 2, 10, 2
WIDTH, SKIP, LEVELS = 32, 256, 256


def wavenet(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Two stacks of ten layers, dilated by 1, 2, 4, … 512."""
    x = conv(net, x, "start_conv", WIDTH, 1)
    skips = []
    for i in range(STACKS * LAYERS):
        dilation = 2 ** (i % LAYERS)
        left = ((dilation * (KERNEL - 1), 0),)
        tanh, sigmoid = (
            conv(
                net,
                x,
                f"{name}.{i}",
                WIDTH,
                KERNEL,
                padding=left,
                dilation=dilation,
                then=(Function(kind),),
            )
            for name, kind in (("filter_convs", "tanh"), ("gate_convs", "sigmoid"))
        )
        y = net.multiply(tanh, sigmoid, name=f"gated.{i}")
        skips.append(conv(net, y, f"skip_convs.{i}", SKIP, 1))
        if i < STACKS * LAYERS - 1:  # nothing reads the last one
            y = conv(net, y, f"residual_convs.{i}", WIDTH, 1)
            x = net.add(x, y, name=f"residual.{i}")
    x = net.add(*skips, name="skip")
    if head:
        for i in (1, 2):
            x = conv(net, follow(net, x, relu()), f"end_conv_{i}", LEVELS, 1)
    return x


ARCHITECTURES = (Architecture("wavenet", wavenet, PAPER, (16000,), 1),)
