"""Swin transformers (Liu et al. 2021), as torchvision builds them.

Each position attends to its window of 7x7; in every second block the windows start at 3, and
those at the border are cut. torchvision gets there by padding the map to whole windows, rolling
it and masking what does not belong together: the padding depends on no input and the rest are
the same reads, so no layer here pads or rolls. As in torchvision an axis that one window covers
is not shifted.

What attention reads are the values, the last third of ``attn.qkv``; queries and keys only
weigh them. Patch merging pads an odd size by one.
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, conv, follow, layer_norm

PAPER = "Liu et al. 2021, arXiv:2103.14030"
WINDOW = 7


def mlp(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Two linear layers at each position, four times as wide in between."""
    gelu = Function("gelu", f"{name}.1")
    y = conv(net, x, f"{name}.0", 4 * x.channels, 1, then=(gelu, f"{name}.2"))
    return conv(net, y, f"{name}.3", x.channels, 1, then=(f"{name}.4", name))


def block(net: Network, x: FeatureMap, name: str, shift: int) -> FeatureMap:
    """Window attention, then an MLP, each with a skip."""
    width = x.channels
    y = follow(net, x, layer_norm(f"{name}.norm1"))
    y = conv(net, y, f"{name}.attn.qkv", 3 * width, 1)
    y = net.channel_slice(y, 2 * width, name=f"{name}.attn.v")
    shifts = [0 if n <= WINDOW else shift for n in x.shape]
    y = net.attention(y, WINDOW, shifts, name=f"{name}.attn.windows")
    y = conv(net, y, f"{name}.attn.proj", width, 1, then=(f"{name}.attn",))
    x = net.add(x, y, name=f"{name}.add")
    y = follow(net, x, layer_norm(f"{name}.norm2"))
    return net.add(x, mlp(net, y, f"{name}.mlp"), name=name)


def merge(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Four positions become one, with twice the channels."""
    if any(n % 2 for n in x.shape):
        x = net.pad(x, [(0, n % 2) for n in x.shape], name=f"{name}.pad")
    x = net.pixel_unshuffle(x, 2, name=f"{name}.merge")
    x = follow(net, x, layer_norm(f"{name}.norm"))
    return conv(net, x, f"{name}.reduction", x.channels // 2, 1, then=(name,))


def swin(
    net: Network, x: FeatureMap, head: bool = False, *, depths: tuple[int, ...], width: int
) -> FeatureMap:
    """Patches of 4x4, then four stages with a patch merging between two."""
    after = ("features.0.1", layer_norm("features.0.2"), "features.0")
    x = conv(net, x, "features.0.0", width, 4, 4, padding=0, then=after)
    for stage, depth in enumerate(depths):
        if stage > 0:
            x = merge(net, x, f"features.{2 * stage}")
        name = f"features.{2 * stage + 1}"
        for i in range(depth):
            x = block(net, x, f"{name}.{i}", shift=WINDOW // 2 if i % 2 else 0)
        follow(net, x, name)
    x = follow(net, x, "features", layer_norm("norm"), "permute")
    if head:
        x = follow(net, net.global_pool(x, name="avgpool"), "flatten")
        x = net.linear(x, channels=1000, name="head")
    return x


INIT = "std=0.02"  # of every linear layer; the patches' convolution is PyTorch's own

ARCHITECTURES = tuple(
    Architecture(f"swin_{size}", partial(swin, depths=depths, width=width), PAPER, init=INIT)
    for size, depths, width in (
        ("t", (2, 2, 6, 2), 96),
        ("s", (2, 2, 18, 2), 96),
        ("b", (2, 2, 18, 2), 128),
    )
)
