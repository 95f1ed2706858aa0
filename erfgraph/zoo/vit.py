"""Vision transformers (Dosovitskiy et al. 2021), as torchvision builds them.

A feature map is the grid of patches, and each of them attends to all. What attention reads are
the values, the last third of ``self_attention.in_proj``; queries and keys only weigh them.

The class token stands at no position. With the head it is a map of one unit beside the grid,
``class_token.encoder_layer_0`` and so on, which reads all patches in every block and ends as
the classes; it depends on no input before the first block. What is left out is the token's
own value, one of the 197 that patches and token read at 224x224, so no path runs from patch to
patch by way of the token. Without the head the network ends with the grid (``encoder``).
"""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo.architecture import Architecture
from erfgraph.zoo.blocks import Function, conv, follow, layer_norm

PAPER = "Dosovitskiy et al. 2021, arXiv:2010.11929"


def mlp(net: Network, x: FeatureMap, name: str) -> FeatureMap:
    """Two linear layers at each position, four times as wide in between, and a skip."""
    y = follow(net, x, layer_norm(f"{name}.ln_2"))
    after = (Function("gelu", f"{name}.mlp.1"), f"{name}.mlp.2")
    y = conv(net, y, f"{name}.mlp.0", 4 * x.channels, 1, then=after)
    y = conv(net, y, f"{name}.mlp.3", x.channels, 1, then=(f"{name}.mlp.4", f"{name}.mlp"))
    return net.add(x, y, name=name)


def projected(net: Network, y: FeatureMap, name: str) -> FeatureMap:
    """What attention hands back, through its last linear layer."""
    of = f"{name}.self_attention"
    return conv(net, y, f"{of}.out_proj", y.channels, 1, then=(of, f"{name}.dropout"))


def vit(
    net: Network,
    x: FeatureMap,
    head: bool = False,
    *,
    patch: int,
    width: int,
    depth: int,
) -> FeatureMap:
    """Patches side by side, then blocks of attention and an MLP."""
    x = conv(net, x, "conv_proj", width, patch, patch, padding=0, then=("encoder.dropout",))
    token: FeatureMap | None = None
    for i in range(depth):
        name = f"encoder.layers.encoder_layer_{i}"
        own = f"class_token.encoder_layer_{i}"
        y = follow(net, x, layer_norm(f"{name}.ln_1"))
        y = conv(net, y, f"{name}.self_attention.in_proj", 3 * width, 1)
        y = net.channel_slice(y, 2 * width, name=f"{name}.self_attention.v")
        if head:
            read = projected(net, net.global_pool(y, name=f"{own}.self_attention.all"), own)
            token = read if token is None else net.add(token, read, name=f"{own}.add")
            token = mlp(net, token, own)
        y = projected(net, net.attention(y, name=f"{name}.self_attention.all"), name)
        x = mlp(net, net.add(x, y, name=f"{name}.add"), name)
    x = follow(net, x, "encoder.layers", layer_norm("encoder.ln"), "encoder")
    if token is not None:
        token = follow(net, token, layer_norm("class_token.ln"))
        x = follow(net, net.linear(token, channels=1000, name="heads.head"), "heads")
    return x


# of most linear layers; the patches' convolution has 1/fan-in, the last one of attention PyTorch's
INIT = "xavier"

ARCHITECTURES = tuple(
    Architecture(name, partial(vit, patch=patch, width=width, depth=depth), PAPER, init=INIT)
    for name, patch, width, depth in (
        ("vit_b_16", 16, 768, 12),
        ("vit_b_32", 32, 768, 12),
        ("vit_l_16", 16, 1024, 24),
        ("vit_l_32", 32, 1024, 24),
        ("vit_h_14", 14, 1280, 32),
    )
)
