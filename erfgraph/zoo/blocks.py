"""What architectures are built from: a convolution with its norm and activation, and names.

Every helper takes the network, the map that it reads and the dotted name that torchvision
gives the module, adds layers, and returns the map that the module returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from erfgraph.network import FeatureMap, Network, PerAxis


@dataclass(frozen=True, slots=True)
class Function:
    """An elementwise function that follows a layer, as `Network.identity` takes it.

    Attributes
    ----------
    kind : str
    name : str, optional
        Of the module that it is; a function that is called has none.
    value : float, optional
        Its parameter.
    """

    kind: str
    name: str | None = None
    value: float | None = None


After = Function | str  # a string is a further name: of a dropout, of a container
batch_norm = partial(Function, "batch_norm")
layer_norm = partial(Function, "layer_norm")
relu = partial(Function, "relu")


def half(kernel: PerAxis, dilation: PerAxis = 1) -> Any:
    """Padding that keeps the size at stride 1: half of the dilated kernel's reach."""
    if isinstance(kernel, int) and isinstance(dilation, int):
        return dilation * (kernel - 1) // 2
    kernels = [kernel] if isinstance(kernel, int) else list(kernel)
    dilations = [dilation] if isinstance(dilation, int) else list(dilation)
    n = max(len(kernels), len(dilations))
    pairs = zip(kernels * (n // len(kernels)), dilations * (n // len(dilations)), strict=True)
    return tuple(d * (k - 1) // 2 for k, d in pairs)


def follow(net: Network, x: FeatureMap, *after: After) -> FeatureMap:
    """`x` through the functions that follow it, named after them and after containers."""
    for step in after:
        if isinstance(step, str):
            x = net.identity(x, name=step)
        else:
            x = net.identity(x, step.kind, step.value, name=step.name)
    return x


def ending(net: Network, x: FeatureMap, *after: After) -> FeatureMap:
    """The map of a block through the functions with which the block ends."""
    returned = follow(net, x, *after)
    net.returns[x.name] = returned.key
    return returned


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
    then: tuple[After, ...] = (),
) -> FeatureMap:
    """A convolution, padded to keep the size by default, and what follows it.

    `then` holds its norm, its activation and the names of containers, as `follow` takes them.
    """
    pad = half(kernel, dilation) if padding is None else padding
    x = net.conv(x, kernel, stride, pad, dilation, groups, channels, name=name)
    return follow(net, x, *then)


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
    norm: str = "batch_norm",
    act: str | None = "relu",
) -> FeatureMap:
    """torchvision's Conv2dNormActivation: `name` holds a convolution, a norm, an activation.

    `act` is None where it has no activation.
    """
    active = (Function(act, f"{name}.2"),) if act else ()
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
        then=(Function(norm, f"{name}.1"), *active, name),
    )


def squeeze_excitation(
    net: Network,
    x: FeatureMap,
    name: str,
    width: int,
    act: str = "relu",
    scale: str = "sigmoid",
) -> FeatureMap:
    """torchvision's SqueezeExcitation: `x` scaled by a gate of its channels' means.

    `act` follows the first of two 1x1 convolutions, to `width` channels, `scale` the second.
    """
    g = net.global_pool(x, name=f"{name}.avgpool")
    g = conv(net, g, f"{name}.fc1", width, 1, then=(Function(act, f"{name}.activation"),))
    after = (Function(scale, f"{name}.scale_activation"),)
    g = conv(net, g, f"{name}.fc2", x.channels, 1, then=after)
    return net.gate(x, g, name=name)


def joined(net: Network, branch: FeatureMap, skip: FeatureMap | None, name: str) -> FeatureMap:
    """The end of a block: its branch plus its skip, or the branch alone."""
    return net.identity(branch, name=name) if skip is None else net.add(branch, skip, name=name)


def sequence(
    net: Network, x: FeatureMap, name: str, steps: tuple[int | str | None, ...]
) -> FeatureMap:
    """A numbered sequence of linear layers (a width), functions (a kind) and dropouts (None)."""
    for i, step in enumerate(steps):
        if isinstance(step, int):
            x = net.linear(x, step, name=f"{name}.{i}")
        else:
            x = net.identity(x, step, name=f"{name}.{i}")
    return net.identity(x, name=name)


def classifier(net: Network, x: FeatureMap, *steps: int | str | None) -> FeatureMap:
    """Global pooling, then the sequence ``classifier``."""
    return sequence(net, net.global_pool(x, name="avgpool"), "classifier", steps)


def fc(net: Network, x: FeatureMap, *then: str) -> FeatureMap:
    """Global pooling, norms or dropouts by name, then the linear layer ``fc``."""
    x = follow(net, net.global_pool(x, name="avgpool"), *then)
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
