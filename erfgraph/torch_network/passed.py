"""Elementwise functions: activations, norms, scales; one row a kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from erfgraph.elementwise import KINDS, passing
from erfgraph.torch_network.site import Site

GROUPS = 32  # of a group norm, PyTorch's models' own number


class Gain:
    """Makes a norm's gain start at a value; stands before the norm's class."""

    gain = 1.0
    weight: nn.Parameter

    def reset_parameters(self) -> None:
        """What the norm does, then its gain."""
        super().reset_parameters()  # type: ignore[misc]
        nn.init.constant_(self.weight, self.gain)


class BatchNorm1d(Gain, nn.BatchNorm1d):
    """Batch norm over one axis."""


class BatchNorm2d(Gain, nn.BatchNorm2d):
    """Batch norm over two axes."""


class BatchNorm3d(Gain, nn.BatchNorm3d):
    """Batch norm over three axes."""


class InstanceNorm1d(Gain, nn.InstanceNorm1d):
    """Instance norm over one axis."""


class InstanceNorm2d(Gain, nn.InstanceNorm2d):
    """Instance norm over two axes."""


class InstanceNorm3d(Gain, nn.InstanceNorm3d):
    """Instance norm over three axes."""


class GroupNorm(Gain, nn.GroupNorm):
    """Group norm."""


class LayerNorm(Gain, nn.LayerNorm):
    """Layer norm over the channels of every position."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name for it
        """The normalised map."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class RMSNorm(nn.Module):
    """Division by the root mean square over the channels of every position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = 1.0
        self.weight = nn.Parameter(torch.ones(channels))

    def reset_parameters(self) -> None:
        """The gain."""
        nn.init.constant_(self.weight, self.gain)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised map."""
        shape = tuple(self.weight.shape)
        return functional.rms_norm(x.movedim(1, -1), shape, self.weight).movedim(-1, 1)


class Scale(nn.Module):
    """A factor for every channel."""

    def __init__(self, channels: int, ndim: int, value: float) -> None:
        super().__init__()
        self.value = value
        self.gamma = nn.Parameter(torch.empty(channels, *(1,) * ndim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The value at the start."""
        nn.init.constant_(self.gamma, self.value)

    def forward(self, x: Tensor) -> Tensor:
        """The scaled map."""
        return x * self.gamma


def _group_norm(site: Site, gain: float) -> nn.Module:
    groups = GROUPS if site.channels % GROUPS == 0 else 1
    return GroupNorm(groups, site.channels)


Maker = Callable[[Site, float], nn.Module]

MAKERS: dict[str, Maker] = {
    "relu": lambda site, v: nn.ReLU(),
    "relu6": lambda site, v: nn.ReLU6(),
    "leaky_relu": lambda site, v: nn.LeakyReLU(v),
    "prelu": lambda site, v: nn.PReLU(init=v),
    "elu": lambda site, v: nn.ELU(v),
    "selu": lambda site, v: nn.SELU(),
    "gelu": lambda site, v: nn.GELU(),
    "silu": lambda site, v: nn.SiLU(),
    "mish": lambda site, v: nn.Mish(),
    "hardswish": lambda site, v: nn.Hardswish(),
    "hardsigmoid": lambda site, v: nn.Hardsigmoid(),
    "hardtanh": lambda site, v: nn.Hardtanh(-v, v),
    "sigmoid": lambda site, v: nn.Sigmoid(),
    "tanh": lambda site, v: nn.Tanh(),
    "softplus": lambda site, v: nn.Softplus(),
    "softsign": lambda site, v: nn.Softsign(),
    "batch_norm": lambda site, v: (BatchNorm1d, BatchNorm2d, BatchNorm3d)[site.ndim - 1](
        site.channels
    ),
    "instance_norm": lambda site, v: (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d)[
        site.ndim - 1
    ](site.channels, affine=True),
    "layer_norm": lambda site, v: LayerNorm(site.channels),
    "group_norm": _group_norm,
    "rms_norm": lambda site, v: RMSNorm(site.channels),
    **dict.fromkeys(("scale", "gate"), lambda site, v: Scale(site.channels, site.ndim, v)),
}


def identity(site: Site) -> nn.Module:
    """The function of a kind; nothing with unit weights."""
    found = passing(site.params.get("kind"), site.params.get("value"))
    if found is None or site.ones:
        return nn.Identity()
    value = 0.0 if found.value is None else found.value
    made = MAKERS[found.kind](site, value)
    if KINDS[found.kind].over is not None:
        made.gain = value  # type: ignore[assignment]
        made.reset_parameters()  # type: ignore[operator]
    return made
