"""Layers without weights that read windows: pools, and attention as the mean of its window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from erfgraph import params
from erfgraph.torch_network.site import PerAxis, Plain, Site, flat_pads


class Pool(nn.Module):
    """A pool over windows: their maximum, or their sum over a divisor.

    Parameters
    ----------
    site : Site
    kind : {"max", "sum", "mean"}
    """

    divisor: Tensor | None

    def __init__(self, site: Site, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.kernel = site.per_axis("kernel")
        strides = site.params.get("stride")
        self.stride = self.kernel if strides is None else site.per_axis("stride")
        self.dilation = site.per_axis("dilation", 1)
        self.sides = params.padding_sides(
            site.params.get("padding", 0), site.shape, self.kernel, self.stride, self.dilation
        )
        self.pads = flat_pads(self._ends(site))
        inside = self._taps(site, padded=False)
        # a window that lies in the padding reads nothing: zero, not minus infinity
        self.empty = bool((inside == 0).any())
        divisor = None
        if kind == "mean":
            padded = site.params.get("count_include_pad", True)
            divisor = torch.from_numpy(np.maximum(self._taps(site, padded), 1))
        self.register_buffer("divisor", divisor, persistent=False)

    def _ends(self, site: Site) -> list[tuple[int, int]]:
        """Padding that gives as many windows as there are, those over the end included."""
        return [
            (pad[0], (m - 1) * s + d * (k - 1) + 1 - n - pad[0])
            for n, m, k, s, d, pad in zip(
                site.shape,
                site.made_shape,
                self.kernel,
                self.stride,
                self.dilation,
                self.sides,
                strict=True,
            )
        ]

    def _taps(self, site: Site, padded: bool) -> np.ndarray:
        """How many positions every window has inside the map (and its padding), float64."""
        product = np.ones(())
        for a, (n, m) in enumerate(zip(site.shape, site.made_shape, strict=True)):
            before, after = self.sides[a]
            first = np.arange(m) * self.stride[a] - before
            reads = first[:, None] + np.arange(self.kernel[a]) * self.dilation[a]
            low, high = (-before, n + after) if padded else (0, n)
            product = np.multiply.outer(product, ((reads >= low) & (reads < high)).sum(1))
        return product

    def forward(self, x: Tensor) -> Tensor:
        """The pooled map."""
        if self.kind == "max":
            return self._maxima(x)
        sums = self._sums(functional.pad(x, self.pads) if any(self.pads) else x)
        return sums if self.divisor is None else sums / self.divisor.to(sums.dtype)

    def _maxima(self, x: Tensor) -> Tensor:
        if any(self.pads):
            x = functional.pad(x, self.pads, value=-math.inf)
        n_axes = x.ndim - 2
        if n_axes == 1:
            found = functional.max_pool1d(x, self.kernel, self.stride, 0, self.dilation)
        elif n_axes == 2:
            found = functional.max_pool2d(x, self.kernel, self.stride, 0, self.dilation)
        else:
            found = functional.max_pool3d(x, self.kernel, self.stride, 0, self.dilation)
        return found.masked_fill(found == -math.inf, 0) if self.empty else found

    def _sums(self, x: Tensor) -> Tensor:
        if any(d > 1 for d in self.dilation):  # PyTorch's average pools have no dilation
            weight = x.new_ones(x.shape[1], 1, *self.kernel)
            convs = (functional.conv1d, functional.conv2d, functional.conv3d)
            geometry = (self.stride, (0,) * (x.ndim - 2), self.dilation, x.shape[1])
            return convs[x.ndim - 3](x, weight, None, *geometry)
        if x.ndim == 3:  # in one dimension it has no divisor of its own
            x = x[:, :, None]
            kernel, stride = (1, *self.kernel), (1, *self.stride)
            return functional.avg_pool2d(x, kernel, stride, divisor_override=1)[:, :, 0]
        if x.ndim == 4:
            return functional.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)
        return functional.avg_pool3d(x, self.kernel, self.stride, divisor_override=1)

    def extra_repr(self) -> str:
        """Kind and geometry."""
        return f"{self.kind}, kernel {self.kernel}, stride {self.stride}"


def max_pool(site: Site) -> nn.Module:
    """A max-pool; a sum with unit weights."""
    return Pool(site, "sum" if site.ones else "max")


def avg_pool(site: Site) -> nn.Module:
    """An average pool; a sum with unit weights."""
    return Pool(site, "sum" if site.ones else "mean")


def adaptive_pool(site: Site) -> nn.Module:
    """Averages of windows as PyTorch's; sums with unit weights."""
    if not site.ones:
        return Plain(partial(_adaptive, size=site.made_shape))
    return PerAxis([_ranges(n, m) for n, m in zip(site.shape, site.made_shape, strict=True)])


def _adaptive(x: Tensor, size: Sequence[int]) -> Tensor:
    if x.ndim == 3:
        return functional.adaptive_avg_pool1d(x, size[0])
    if x.ndim == 4:
        return functional.adaptive_avg_pool2d(x, (size[0], size[1]))
    return functional.adaptive_avg_pool3d(x, (size[0], size[1], size[2]))


def _ranges(n: int, m: int) -> Tensor:
    """Ones where output i reads, ``floor(i*n/m)`` up to ``ceil((i+1)*n/m)``."""
    matrix = torch.zeros(m, n, dtype=torch.float64)
    for i in range(m):
        matrix[i, i * n // m : -(-(i + 1) * n // m)] = 1
    return matrix


def global_pool(site: Site) -> nn.Module:
    """The mean over positions; the sum with unit weights."""
    return Plain(partial(_whole, total=site.ones))


def _whole(x: Tensor, total: bool) -> Tensor:
    axes = tuple(range(2, x.ndim))
    return x.sum(axes, keepdim=True) if total else x.mean(axes, keepdim=True)


def attention(site: Site) -> nn.Module:
    """The mean over the window of every position; the sum with unit weights."""
    if site.params.get("window") is None:
        return Plain(partial(_everywhere, total=site.ones))
    windows = site.per_axis("window")
    shifts, spacing = site.per_axis("shift", 0), site.per_axis("dilation", 1)
    return PerAxis(
        [
            _tiles(n, w, s, d, site.ones)
            for n, w, s, d in zip(site.shape, windows, shifts, spacing, strict=True)
        ]
    )


def _everywhere(x: Tensor, total: bool) -> Tensor:
    return _whole(x, total).expand_as(x)


def _tiles(n: int, window: int, shift: int, spacing: int, total: bool) -> Tensor:
    """Where two positions of an axis share a window: 1, or 1 over the window's size."""
    at = torch.arange(n) - shift
    tile = torch.div(at, window * spacing, rounding_mode="floor")
    phase = at.remainder(spacing)
    same = (tile[:, None] == tile) & (phase[:, None] == phase)
    matrix = same.to(torch.float64)
    return matrix if total else matrix / matrix.sum(1, keepdim=True)
