"""U-Nets: the original (Ronneberger et al. 2015), padded, and in 3-D (Çiçek et al. 2016).

Names are those of milesial/Pytorch-UNet, whose network is `unet_padded`: ``inc``, ``down1``,
``up1``, ``outc``. The papers pad nothing: every convolution shrinks its map, and what a skip
carries over is cropped around the centre (``up1.crop``). The 3-D network doubles its channels
before each pool, not behind it, and keeps them in each up-convolution. The input shape is the
papers': a tile of 572 x 572 makes one of 388 x 388, one of 132 x 132 x 116 one of 44 x 44 x 28.
The original has no norms, and what they are named by there passes its map on as it is.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import batch_norm, conv, follow, relu

PLANAR = "Ronneberger et al. 2015, arXiv:1505.04597"
VOLUMETRIC = "Çiçek et al. 2016, arXiv:1606.06650"


def double(
    net: Network,
    x: FeatureMap,
    name: str,
    widths: tuple[int, int],
    padding: int,
    norm: bool,
) -> FeatureMap:
    """Two 3x3 convolutions, each with its ReLU, and before that its norm if it has one."""
    for i, width in zip((0, 3), widths, strict=True):
        of, first, second = (f"{name}.double_conv.{i + j}" for j in range(3))
        after = (batch_norm(first) if norm else first, relu(second))
        x = conv(net, x, of, width, padding=padding, then=after)
    return follow(net, x, f"{name}.double_conv", name)


def up(
    net: Network,
    x: FeatureMap,
    skip: FeatureMap,
    name: str,
    halve: bool,
    padding: int,
    norm: bool,
) -> FeatureMap:
    """An up-convolution, joined with the map of the same scale on the way down."""
    channels = x.channels // 2 if halve else x.channels
    x = net.conv_transpose(x, 2, 2, channels=channels, name=f"{name}.up")
    # positions by which the skip is larger, before and after; a pool drops an odd last one
    sides = [
        ((n - m) // 2, n - m - (n - m) // 2) for n, m in zip(skip.shape, x.shape, strict=True)
    ]
    if any(map(any, sides)):
        if padding:
            x = net.pad(x, sides, name=f"{name}.pad")
        else:
            skip = net.crop(skip, sides, name=f"{name}.crop")
    width = skip.channels
    x = net.concat(skip, x, name=f"{name}.cat")
    x = double(net, x, f"{name}.conv", (width, width), padding, norm)
    return follow(net, x, name)


def unet(
    net: Network,
    x: FeatureMap,
    head: bool = False,
    *,
    widths: tuple[int, ...] = (64, 128, 256, 512, 1024),
    padding: int = 0,
    early: bool = False,
    norm: bool = True,
    classes: int = 2,
) -> FeatureMap:
    """A way down of pools, a way up of up-convolutions, and a skip at every scale.

    Parameters
    ----------
    net : Network
    x : FeatureMap
    head : bool, optional
        Whether to add the 1x1 convolution to classes.
    widths : tuple of int, optional
        Channels at each scale.
    padding : int, optional
        Of every 3x3 convolution.
    early : bool, optional
        Whether channels double before a pool (3-D U-Net), not behind it.
    norm : bool, optional
        Whether a batch norm follows every 3x3 convolution.
    classes : int, optional

    Returns
    -------
    FeatureMap
    """
    skips = []
    for i, width in enumerate(widths):
        pair = (width // 2 if early else width, width)
        if i == 0:
            x = double(net, x, "inc", pair, padding, norm)
        else:
            skips.append(x)
            x = net.max_pool(x, 2, name=f"down{i}.maxpool_conv.0")
            x = double(net, x, f"down{i}.maxpool_conv.1", pair, padding, norm)
            follow(net, x, f"down{i}.maxpool_conv", f"down{i}")
    for i, skip in enumerate(reversed(skips), start=1):
        x = up(net, x, skip, f"up{i}", not early, padding, norm)
    return conv(net, x, "outc.conv", classes, 1, then=("outc",)) if head else x


ARCHITECTURES = (
    Architecture("unet", partial(unet, norm=False), PLANAR, (572, 572), 1, init="kaiming_fan_in"),
    Architecture("unet_padded", partial(unet, padding=1), PLANAR, (512, 512)),
    Architecture(
        "unet3d",
        partial(unet, widths=(64, 128, 256, 512), early=True, classes=3),
        VOLUMETRIC,
        (132, 132, 116),
    ),
)
