"""SLaK (Liu et al. 2023), ``slak`` being SLaK-T: kernels of 51x51, each as a tall and a wide one.

Names are those of the authors' PyTorch version. A large kernel is the sum of three depthwise
convolutions: ``Decom1`` (51x5), ``Decom2`` (5x51) and ``small_conv`` (5x5); the later stages
have 49, 47 and 13 in place of 51. Channels are 1.3 times ConvNeXt's, as in the paper. There,
40 % of the weights are zero; which ones is found in training, so here none is.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, batch_norm, conv, follow, layer_norm

PAPER = "Liu et al. 2023, arXiv:2207.03620"
KERNELS = (51, 49, 47, 13)
SMALL = 5
LAYER_SCALE = 1e-6  # at initialisation


def block(net: Network, x: FeatureMap, name: str, kernel: int) -> FeatureMap:
    """Three depthwise convolutions added, then two 1x1, four times as wide in between."""
    large = f"{name}.large_kernel"
    shapes = {
        "Decom1": (kernel, SMALL),
        "Decom2": (SMALL, kernel),
        "small_conv": (SMALL, SMALL),
    }
    parts = []
    for part, shape in shapes.items():
        after = (batch_norm(f"{large}.{part}.bn"), f"{large}.{part}")
        of = f"{large}.{part}.conv"
        parts.append(conv(net, x, of, x.channels, shape, groups=x.channels, then=after))
    y = follow(net, net.add(*parts, name=large), layer_norm(f"{name}.norm"))
    gelu = Function("gelu", f"{name}.act")
    y = conv(net, y, f"{name}.pwconv1", 4 * x.channels, 1, then=(gelu,))
    scale = Function("scale", f"{name}.gamma", LAYER_SCALE)
    y = conv(net, y, f"{name}.pwconv2", x.channels, 1, then=(scale,))
    return net.add(x, y, name=name)


def slak(
    net: Network, x: FeatureMap, head: bool = False, *, depths: tuple[int, ...], width: int
) -> FeatureMap:
    """Patches of 4x4, four stages, each with half the size of the one before."""
    for stage, (depth, kernel) in enumerate(zip(depths, KERNELS, strict=True)):
        channels = int((width << stage) * 1.3)
        name = f"downsample_layers.{stage}"
        if stage == 0:
            x = conv(
                net,
                x,
                f"{name}.0",
                channels,
                4,
                4,
                padding=0,
                then=(layer_norm(f"{name}.1"), name),
            )
        else:
            x = follow(net, x, layer_norm(f"{name}.0"))
            x = conv(net, x, f"{name}.1", channels, 2, 2, padding=0, then=(name,))
        for i in range(depth):
            x = block(net, x, f"stages.{stage}.{i}", kernel)
        follow(net, x, f"stages.{stage}")
    if head:
        x = follow(net, net.global_pool(x, name="mean"), layer_norm("norm"))
        x = net.linear(x, channels=1000, name="head")
    return x


ARCHITECTURES = tuple(
    Architecture(name, partial(slak, depths=depths, width=width), PAPER, init="std=0.02")
    for name, depths, width in (
        ("slak", (3, 3, 9, 3), 96),
        ("slak_small", (3, 3, 27, 3), 96),
        ("slak_base", (3, 3, 27, 3), 128),
    )
)
