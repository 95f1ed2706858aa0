"""Layers with weights: convolutions and linear layers, without bias."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from erfgraph import params
from erfgraph.initial import weight_variance
from erfgraph.torch_network.site import Site, flat_pads

MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate"}
MODES["circular"] = "circular"


def draw(weight: Tensor, rule: str) -> None:
    """Draw weights by a rule: PyTorch's own uniform, the others normal; or set them to one."""
    if rule == "ones":
        nn.init.ones_(weight)
        return
    std = math.sqrt(weight_variance(rule, tuple(weight.shape)))
    if rule == "pytorch":
        bound = math.sqrt(3) * std
        nn.init.uniform_(weight, -bound, bound)
    else:
        nn.init.normal_(weight, 0, std)


class Weighted(nn.Module):
    """A layer with a weight that is drawn by a rule.

    Parameters
    ----------
    site : Site
    shape : tuple of int
        Of the weight.
    """

    mask: Tensor | None

    def __init__(self, site: Site, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.rule = site.rule
        self.weight = nn.Parameter(torch.empty(shape))
        mask = site.params.get("mask")
        kept = None if mask is None else torch.from_numpy(np.array(mask, dtype=bool))
        self.register_buffer("mask", kept, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight."""
        draw(self.weight, self.rule)

    def kernel(self) -> Tensor:
        """The weight, zero where a mask keeps no tap."""
        return self.weight if self.mask is None else self.weight * self.mask

    def extra_repr(self) -> str:
        """Shape of the weight."""
        return f"weight {tuple(self.weight.shape)}"


class Conv(Weighted):
    """A convolution."""

    def __init__(self, site: Site) -> None:
        kernel = site.per_axis("kernel")
        self.groups = site.params.get("groups", 1)
        shape = (site.made_channels, site.channels // self.groups, *kernel)
        self.stride = site.per_axis("stride", 1)
        self.dilation = site.per_axis("dilation", 1)
        pads = params.padding_sides(
            site.params.get("padding", 0), site.shape, kernel, self.stride, self.dilation
        )
        self.mode = MODES[site.params.get("padding_mode", "zeros")]
        even = self.mode == "constant" and all(a == b for a, b in pads)
        self.padding = tuple(a for a, _ in pads) if even else (0,) * site.ndim
        self.pads = [] if even else flat_pads(pads)
        super().__init__(site, shape)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of a map."""
        if any(self.pads):
            x = functional.pad(x, self.pads, mode=self.mode)
        run = (functional.conv1d, functional.conv2d, functional.conv3d)[x.ndim - 3]
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        return run(x, self.kernel(), None, *geometry)


class ConvTranspose(Weighted):
    """A transposed convolution."""

    def __init__(self, site: Site) -> None:
        kernel = site.per_axis("kernel")
        self.groups = site.params.get("groups", 1)
        shape = (site.channels, site.made_channels // self.groups, *kernel)
        self.stride = site.per_axis("stride", 1)
        self.dilation = site.per_axis("dilation", 1)
        pads, extra = params.transposed_padding(
            site.params.get("padding", 0),
            kernel,
            self.stride,
            self.dilation,
            site.params.get("output_padding", 0),
        )
        cuts = [(-a, e - b) for (a, b), e in zip(pads, extra, strict=True)]
        self.cuts = flat_pads(cuts)
        super().__init__(site, shape)

    def forward(self, x: Tensor) -> Tensor:
        """The transposed convolution of a map."""
        runs = (
            functional.conv_transpose1d,
            functional.conv_transpose2d,
            functional.conv_transpose3d,
        )
        x = runs[x.ndim - 3](
            x, self.kernel(), stride=self.stride, dilation=self.dilation, groups=self.groups
        )
        return functional.pad(x, self.cuts) if any(self.cuts) else x


class Linear(Weighted):
    """A linear layer over all positions and channels."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, (site.made_channels, site.channels * math.prod(site.shape)))

    def forward(self, x: Tensor) -> Tensor:
        """One position."""
        made = functional.linear(x.flatten(1), self.kernel())
        return made.reshape(*made.shape, *(1,) * (x.ndim - 2))
