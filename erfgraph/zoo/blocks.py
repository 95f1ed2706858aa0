"""What architectures are built from: a convolution with its norm and activation, and names.

Every helper takes the network, the map that it reads and the dotted name that torchvision
gives the module, adds layers, and returns the map that the module returns.
"""

from __future__ import annotations

from typing import Any

from erfgraph.network import FeatureMap, Network, PerAxis


def half(kernel: PerAxis, dilation: PerAxis = 1) -> Any:
    """Padding that keeps the size at stride 1: half of the dilated kernel's reach."""
    if isinstance(kernel, int) and isinstance(dilation, int):
        return dilation * (kernel - 1) // 2
    kernels = [kernel] if isinstance(kernel, int) else list(kernel)
    dilations = [dilation] if isinstance(dilation, int) else list(dilation)
    n = max(len(kernels), len(dilations))
    pairs = zip(kernels * (n // len(kernels)), dilations * (n // len(dilations)), strict=True)
    return tuple(d * (k - 1) // 2 for k, d in pairs)


def named(net: Network, x: FeatureMap, *names: str) -> FeatureMap:
    """Further names of a map: of norms, activations and containers that return it."""
    for name in names:
        net.identity(x, name=name)
    return x


def conv(
    net: Network,
    x: FeatureMap,
    name: str,
    channels: int,
    kernel: PerAxis = 3,
    stride: PerAxis = 1,
    *,
    padding: Any = None,
    dilation: PerAxis = 1,
    groups: int = 1,
    then: tuple[str, ...] = (),
) -> FeatureMap:
    """A convolution, padded to keep the size by default, and the names of what follows it.

    `then` names the norm, the activation and the containers that return the same map.
    """
    pad = half(kernel, dilation) if padding is None else padding
    x = net.conv(x, kernel, stride, pad, dilation, groups, channels, name=name)
    return named(net, x, *then)


def squeeze(
    net: Network, x: FeatureMap, name: str, width: int, pool: str, one: str, two: str
) -> FeatureMap:
    """Squeeze-and-excitation: `x` scaled by a gate of its channels' means.

    `pool`, `one` and `two` name the pool and the two 1x1 convolutions within the module.
    """
    g = net.global_pool(x, name=f"{name}.{pool}")
    g = net.conv(g, 1, channels=width, name=f"{name}.{one}")
    g = net.conv(g, 1, channels=x.channels, name=f"{name}.{two}")
    return net.gate(x, g, name=name)


def conv_norm(
    net: Network,
    x: FeatureMap,
    name: str,
    channels: int,
    kernel: PerAxis = 3,
    stride: PerAxis = 1,
    *,
    padding: Any = None,
    dilation: PerAxis = 1,
    groups: int = 1,
    act: bool = True,
) -> FeatureMap:
    """torchvision's Conv2dNormActivation: `name` holds a convolution, a norm, an activation."""
    then = (f"{name}.1", f"{name}.2", name) if act else (f"{name}.1", name)
    return conv(
        net,
        x,
        f"{name}.0",
        channels,
        kernel,
        stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        then=then,
    )


def squeeze_excitation(net: Network, x: FeatureMap, name: str, width: int) -> FeatureMap:
    """`squeeze` by the names of torchvision's SqueezeExcitation, its activations among them."""
    scaled = squeeze(net, x, name, width, "avgpool", "fc1", "fc2")
    named(net, net[f"{name}.fc1"], f"{name}.activation")
    named(net, net[f"{name}.fc2"], f"{name}.scale_activation")
    return scaled


def joined(net: Network, branch: FeatureMap, skip: FeatureMap | None, name: str) -> FeatureMap:
    """The end of a block: its branch plus its skip, or the branch alone."""
    return net.identity(branch, name=name) if skip is None else net.add(branch, skip, name=name)


def sequence(net: Network, x: FeatureMap, name: str, steps: tuple[int | None, ...]) -> FeatureMap:
    """A numbered sequence of linear layers (a width) and of what passes through (None)."""
    for i, width in enumerate(steps):
        step = f"{name}.{i}"
        x = net.linear(x, width, name=step) if width else net.identity(x, name=step)
    return net.identity(x, name=name)


def classifier(net: Network, x: FeatureMap, *steps: int | None) -> FeatureMap:
    """Global pooling, then the sequence ``classifier``."""
    return sequence(net, net.global_pool(x, name="avgpool"), "classifier", steps)


def fc(net: Network, x: FeatureMap, *then: str) -> FeatureMap:
    """Global pooling, norms or dropouts by name, then the linear layer ``fc``."""
    x = named(net, net.global_pool(x, name="avgpool"), *then)
    return net.linear(x, 1000, name="fc")


def divisible(width: float, by: int = 8) -> int:
    """The nearest multiple, but none that is more than a tenth smaller (MobileNet's rounding).

    Examples
    --------
    >>> divisible(16 * 1.1), divisible(20), divisible(11)
    (16, 24, 16)
    """
    near = max(by, int(width + by / 2) // by * by)
    return near + by if near < 0.9 * width else near
