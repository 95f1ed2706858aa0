"""RepLKNet (Ding et al. 2022): depthwise kernels of up to 31x31.

Names are those of the authors' PyTorch version. While it is trained, a 5x5 convolution runs
beside each large one; afterwards its weights are added to the centre of the large kernel. That
merged network is the one here: one large convolution, ``large_kernel.lkb_reparam``.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, batch_norm, conv, follow, relu

PAPER = "Ding et al. 2022, arXiv:2203.06717"
DEPTHS = (2, 2, 18, 2)
BASE = (128, 256, 512, 1024)
LARGE = (192, 384, 768, 1536)


def unit(
    net: Network,
    x: FeatureMap,
    name: str,
    width: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    active: bool = True,
) -> FeatureMap:
    """A convolution with its norm and mostly a ReLU, depthwise where it is larger than 1x1."""
    groups = width if kernel > 1 and x.channels == width else 1
    active_too = (relu(f"{name}.nonlinear"),) if active else ()
    after = (batch_norm(f"{name}.bn"), *active_too, name)
    return conv(net, x, f"{name}.conv", width, kernel, stride, groups=groups, then=after)


def large_block(net: Network, x: FeatureMap, name: str, kernel: int) -> FeatureMap:
    """A large depthwise convolution between two of 1x1."""
    y = follow(net, x, batch_norm(f"{name}.prelkb_bn"))
    y = unit(net, y, f"{name}.pw1", x.channels)
    after = (f"{name}.large_kernel", relu(f"{name}.lk_nonlinear"))
    large = f"{name}.large_kernel.lkb_reparam"
    y = conv(net, y, large, y.channels, kernel, groups=y.channels, then=after)
    y = unit(net, y, f"{name}.pw2", x.channels, active=False)
    return net.add(x, y, name=name)


def feed_forward(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Two 1x1 convolutions, four times as wide in between."""
    y = follow(net, x, batch_norm(f"{name}.preffn_bn"))
    y = unit(net, y, f"{name}.pw1", 4 * x.channels, active=False)
    y = follow(net, y, Function("gelu", f"{name}.nonlinear"))
    y = unit(net, y, f"{name}.pw2", x.channels, active=False)
    return net.add(x, y, name=name)


def replknet(
    net: Network,
    x: FeatureMap,
    head: bool = False,
    *,
    kernels: tuple[int, ...],
    widths: tuple[int, ...] = BASE,
) -> FeatureMap:
    """A stem to a quarter of the size, four stages, and a strided transition between two."""
    x = unit(net, x, "stem.0", widths[0], 3, 2)
    x = unit(net, x, "stem.1", widths[0], 3)
    x = unit(net, x, "stem.2", widths[0])
    x = unit(net, x, "stem.3", widths[0], 3, 2)
    for stage, (depth, kernel, width) in enumerate(zip(DEPTHS, kernels, widths, strict=True)):
        if stage > 0:
            name = f"transitions.{stage - 1}"
            x = unit(net, x, f"{name}.0", width)
            x = follow(net, unit(net, x, f"{name}.1", width, 3, 2), name)
        for i in range(depth):
            x = large_block(net, x, f"stages.{stage}.blocks.{2 * i}", kernel)
            x = feed_forward(net, x, f"stages.{stage}.blocks.{2 * i + 1}")
        follow(net, x, f"stages.{stage}")
    if head:
        x = net.global_pool(follow(net, x, batch_norm("norm")), name="avgpool")
        x = net.linear(x, channels=1000, name="head")
    return x


ARCHITECTURES = tuple(
    Architecture(name, partial(replknet, kernels=kernels, widths=widths), PAPER)
    for name, kernels, widths in (
        ("replknet31", (31, 29, 27, 13), BASE),
        ("replknet31_l", (31, 29, 27, 13), LARGE),
        ("replknet13", (13, 13, 13, 13), BASE),
    )
)
