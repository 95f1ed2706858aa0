"""MobileNet v2 and v3 (Sandler et al. 2018, Howard et al. 2019), as torchvision builds them."""

from __future__ import annotations

from functools import partial

from erfgraph.network import FeatureMap, Network
from erfgraph.zoo import blocks
from erfgraph.zoo.architecture import Architecture


def inverted(
    net: Network,
    x: FeatureMap,
    name: str,
    inner: int,
    width: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    dilation: int = 1,
    squeezed: int = 0,
    drop: bool = False,
    act: str = "relu",
    gating: tuple[str, str] = ("relu", "sigmoid"),
) -> FeatureMap:
    """A 1x1 convolution to `inner` channels, a depthwise one, and a 1x1 one to `width`.

    The first only where it widens; squeeze-and-excitation to `squeezed` channels, where that
    is not 0, before the last, with activations `gating`. With a skip where the sizes allow it,
    and there, with `drop`, stochastic depth.
    """
    y, step = x, 0
    if inner != x.channels:
        y, step = blocks.conv_norm(net, y, f"{name}.block.0", inner, 1, act=act), 1
    y = blocks.conv_norm(
        net,
        y,
        f"{name}.block.{step}",
        inner,
        kernel,
        stride,
        dilation=dilation,
        groups=inner,
        act=act,
    )
    if squeezed:
        step += 1
        y = blocks.squeeze_excitation(net, y, f"{name}.block.{step}", squeezed, *gating)
    y = blocks.conv_norm(net, y, f"{name}.block.{step + 1}", width, 1, act=None)
    net.identity(y, name=f"{name}.block")
    skip = x if stride == 1 and x.channels == width else None
    if skip and drop:
        net.identity(y, name=f"{name}.stochastic_depth")
    return blocks.joined(net, y, skip, name)


# --- version 2 ---

# factor of widening, width, blocks, stride of the first
V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def inverted_v2(
    net: Network, x: FeatureMap, name: str, factor: int, width: int, stride: int
) -> FeatureMap:
    """As `inverted`, but the last convolution and its norm stand in no sequence of their own."""
    y, step, inner = x, 0, factor * x.channels
    if factor > 1:
        y, step = blocks.conv_norm(net, y, f"{name}.conv.0", inner, 1, act="relu6"), 1
    y = blocks.conv_norm(
        net, y, f"{name}.conv.{step}", inner, stride=stride, groups=inner, act="relu6"
    )
    then = (blocks.batch_norm(f"{name}.conv.{step + 2}"), f"{name}.conv")
    y = blocks.conv(net, y, f"{name}.conv.{step + 1}", width, 1, then=then)
    return blocks.joined(net, y, x if stride == 1 and x.channels == width else None, name)


def mobilenet_v2(net: Network, x: FeatureMap, head: bool = False) -> FeatureMap:
    """Inverted residuals: wide within, narrow between."""
    x = blocks.conv_norm(net, x, "features.0", 32, stride=2, act="relu6")
    index = 1
    for factor, width, repeats, stride in V2:
        for i in range(repeats):
            step = stride if i == 0 else 1
            x = inverted_v2(net, x, f"features.{index}", factor, width, step)
            index += 1
    x = blocks.conv_norm(net, x, f"features.{index}", 1280, 1, act="relu6")
    net.identity(x, name="features")
    return blocks.classifier(net, x, None, 1000) if head else x


# --- version 3 ---

# kernel, inner width, width, whether it squeezes, stride; the first are ReLU's, the others
# hard swish's
V3 = {
    "large": (
        (3, 16, 16, False, 1),
        (3, 64, 24, False, 2),
        (3, 72, 24, False, 1),
        (5, 72, 40, True, 2),
        (5, 120, 40, True, 1),
        (5, 120, 40, True, 1),
        (3, 240, 80, False, 2),
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 112, True, 1),
        (3, 672, 112, True, 1),
        (5, 672, 160, True, 2),
        (5, 960, 160, True, 1),
        (5, 960, 160, True, 1),
    ),
    "small": (
        (3, 16, 16, True, 2),
        (3, 72, 24, False, 2),
        (3, 88, 24, False, 1),
        (5, 96, 40, True, 2),
        (5, 240, 40, True, 1),
        (5, 240, 40, True, 1),
        (5, 120, 48, True, 1),
        (5, 144, 48, True, 1),
        (5, 288, 96, True, 2),
        (5, 576, 96, True, 1),
        (5, 576, 96, True, 1),
    ),
}
RECTIFIED = {"large": 6, "small": 3}  # how many are ReLU's
CLASSIFIER = {"large": 1280, "small": 1024}


def features_v3(
    net: Network, x: FeatureMap, size: str, prefix: str = "features.", dilated: bool = False
) -> FeatureMap:
    """All of version 3 but its classifier; `dilated` trades the last stride for dilation."""
    x = blocks.conv_norm(net, x, f"{prefix}0", 16, stride=2, act="hardswish")
    last = max(i for i, row in enumerate(V3[size]) if row[-1] > 1)
    for i, (kernel, inner, width, squeezes, stride) in enumerate(V3[size]):
        spread = dilated and i >= last
        x = inverted(
            net,
            x,
            f"{prefix}{i + 1}",
            inner,
            width,
            kernel,
            1 if spread else stride,
            dilation=2 if spread else 1,
            squeezed=blocks.divisible(inner // 4) if squeezes else 0,
            act="relu" if i < RECTIFIED[size] else "hardswish",
            gating=("relu", "hardsigmoid"),
        )
    name = f"{prefix}{len(V3[size]) + 1}"
    return blocks.conv_norm(net, x, name, 6 * x.channels, 1, act="hardswish")


def mobilenet_v3(net: Network, x: FeatureMap, size: str, head: bool = False) -> FeatureMap:
    """Inverted residuals with squeeze-and-excitation, found by search."""
    x = features_v3(net, x, size)
    net.identity(x, name="features")
    return blocks.classifier(net, x, CLASSIFIER[size], "hardswish", None, 1000) if head else x


ARCHITECTURES = (
    Architecture(
        "mobilenet_v2",
        mobilenet_v2,
        "Sandler et al. 2018, arXiv:1801.04381",
        init="kaiming_fan_out",
    ),
    *(
        Architecture(
            f"mobilenet_v3_{size}",
            partial(mobilenet_v3, size=size),
            "Howard et al. 2019, arXiv:1905.02244",
            init="kaiming_fan_out",
        )
        for size in V3
    ),
)
