"""Layers that join maps or move channels."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from erfgraph.torch_network.site import Plain, Site


def _sum(*xs: Tensor) -> Tensor:
    return functools.reduce(operator.add, xs)


def _product(*xs: Tensor) -> Tensor:
    return functools.reduce(operator.mul, xs)


def add(site: Site) -> nn.Module:
    """A sum, single channels broadcast."""
    return Plain(_sum)


def multiply(site: Site) -> nn.Module:
    """A product; a sum with unit weights."""
    return Plain(_sum if site.ones else _product)


def gate(site: Site) -> nn.Module:
    """A product with a factor; where paths do not run through gates, neither do gradients.

    With unit weights a sum, or what passes alone.
    """
    if site.gates == "follow":
        return multiply(site)
    return Plain(_first if site.ones else _scaled)


def _first(x: Tensor, factor: Tensor) -> Tensor:
    return x


def _scaled(x: Tensor, factor: Tensor) -> Tensor:
    return x * factor.detach()


def concat(site: Site) -> nn.Module:
    """Channels side by side, constant ones at the end."""
    return Plain(partial(_joined, constant=site.params.get("constant", 0)))


def _joined(*xs: Tensor, constant: int) -> Tensor:
    fixed = [xs[0].new_ones(len(xs[0]), constant, *xs[0].shape[2:])] if constant else []
    return torch.cat([*xs, *fixed], dim=1)


# --- channels -----------------------------------------------------------------------------


def _taken(x: Tensor, order: Sequence[int]) -> Tensor:
    return x[:, list(order)]


def channel_slice(site: Site) -> nn.Module:
    """Some channels."""
    cut = slice(*(site.params.get(key) for key in ("start", "stop", "step")))
    return Plain(partial(_taken, order=tuple(range(site.channels)[cut])))


def channel_take(site: Site) -> nn.Module:
    """Some channels, in any order."""
    return Plain(partial(_taken, order=tuple(site.params["order"])))


def channel_shuffle(site: Site) -> nn.Module:
    """Channels (groups, n) transposed to (n, groups)."""
    return Plain(partial(_shuffled, groups=site.params["groups"]))


def _split(x: Tensor, axis: int, *sizes: int) -> Tensor:
    """An axis as several, of which -1 takes what is left."""
    return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


def _shuffled(x: Tensor, groups: int) -> Tensor:
    return _split(x, 1, groups, -1).transpose(1, 2).flatten(1, 2)


def channel_pool(site: Site) -> nn.Module:
    """Means of consecutive channels; sums with unit weights."""
    return Plain(partial(_pooled, channels=site.made_channels, total=site.ones))


def _pooled(x: Tensor, channels: int, total: bool) -> Tensor:
    parts = _split(x, 1, channels, -1)
    return parts.sum(2) if total else parts.mean(2)


def pixel_shuffle(site: Site) -> nn.Module:
    """Channels to positions."""
    return Plain(partial(_to_positions, block=site.per_axis("block")))


def pixel_unshuffle(site: Site) -> nn.Module:
    """Positions to channels."""
    return Plain(partial(_to_channels, block=site.per_axis("block")))


def _to_positions(x: Tensor, block: Sequence[int]) -> Tensor:
    n = len(block)
    x = _split(x, 1, -1, *block)  # batch, channel, block, position
    x = x.permute(0, 1, *(axis for a in range(n) for axis in (2 + n + a, 2 + a)))
    for axis in range(2, 2 + n):
        x = x.flatten(axis, axis + 1)
    return x


def _to_channels(x: Tensor, block: Sequence[int]) -> Tensor:
    n = len(block)
    for axis in range(n, 0, -1):
        x = _split(x, 1 + axis, -1, block[axis - 1])
    order = [0, 1, *(3 + 2 * a for a in range(n)), *(2 + 2 * a for a in range(n))]
    return x.permute(order).flatten(1, 1 + n)
