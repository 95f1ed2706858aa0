"""Layers that copy positions: padding, cropping, slicing, rolling, and interpolation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from erfgraph import params, resize
from erfgraph.torch_network.site import PerAxis, Plain, Site, flat_pads
from erfgraph.torch_network.weighted import MODES

TINY = 1e-12  # weights of an interpolation below it are rounding


def pad(site: Site) -> nn.Module:
    """Positions before and after every axis."""
    pads = params.per_side("padding", site.params["padding"], site.ndim)
    mode = site.params.get("mode", "zeros")
    if mode == "symmetric":  # which PyTorch does not have
        return Plain(partial(_mirrored, pads=pads))
    return Plain(partial(functional.pad, pad=flat_pads(pads), mode=MODES[mode]))


def _mirrored(x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
    for axis, (before, after) in enumerate(pads, start=2):
        n = x.shape[axis]
        first = x.narrow(axis, 0, before).flip(axis)
        last = x.narrow(axis, n - after, after).flip(axis)
        x = torch.cat([first, x, last], dim=axis)
    return x


def crop(site: Site) -> nn.Module:
    """The map without some positions before and after every axis."""
    cuts = params.per_side("amount", site.params["amount"], site.ndim)
    return Plain(partial(functional.pad, pad=[-v for v in flat_pads(cuts)]))


def slice_(site: Site) -> nn.Module:
    """Python's slicing; PyTorch knows no negative steps."""
    bounds = zip(*(site.per_axis(key) for key in ("start", "stop", "step")), strict=True)
    ranges = [range(n)[slice(*b)] for n, b in zip(site.shape, bounds, strict=True)]
    return Plain(partial(_sliced, ranges=tuple((r[0], r[-1], r.step) for r in ranges)))


def _sliced(x: Tensor, ranges: Sequence[tuple[int, int, int]]) -> Tensor:
    cuts = [slice(min(a, b), max(a, b) + 1, abs(step)) for a, b, step in ranges]
    backwards = [axis for axis, (_, _, step) in enumerate(ranges, start=2) if step < 0]
    x = x[(slice(None), slice(None), *cuts)]
    return x.flip(backwards) if backwards else x


def roll(site: Site) -> nn.Module:
    """A circular shift."""
    shifts = params.shifts(site.params["shift"], site.ndim)
    return Plain(partial(torch.roll, shifts=shifts, dims=tuple(range(2, 2 + site.ndim))))


# --- interpolation ------------------------------------------------------------------------


def upsample(site: Site) -> nn.Module:
    """An interpolation, by PyTorch's own where it has the grid; else by its weights.

    With unit weights every source whose weight is not zero counts once.
    """
    native = _native(site)
    mode = params.upsample_mode(site.params.get("mode", "nearest"))
    whole = native is not None and (mode != "cubic" or site.ndim == 2)
    if whole and (mode in ("nearest", "nearest_exact") or not site.ones):
        return Plain(partial(_interpolated, ndim=site.ndim, **(native or {})))
    matrices = [_matrix(site, a, native) for a in range(site.ndim)]
    if site.ones:
        matrices = [(m.abs() > TINY).to(m.dtype) for m in matrices]
    return PerAxis(list(matrices))


def _native(site: Site) -> dict[str, Any] | None:
    """Arguments of PyTorch's own interpolation, if it has this grid."""
    given = site.params
    if given.get("coordinates") is not None or given.get("rounding") is not None:
        return None
    mode = params.upsample_mode(given.get("mode", "nearest"))
    found: dict[str, Any] = {"mode": mode.replace("_", "-")}
    if not mode.startswith("nearest"):
        found["align_corners"] = given.get("align_corners", False)
    if given.get("size") is not None:
        return found | {"size": site.made_shape}
    scales = tuple(float(s) for s in site.per_axis("scale"))
    for n, m, s in zip(site.shape, site.made_shape, scales, strict=True):
        # PyTorch copies a map whose size stays, and rounds sizes in floating point
        if math.floor(n * s) != m or (n == m and s != 1):
            return None
    return found | {"scale": scales}


def _interpolated(
    x: Tensor,
    ndim: int,
    mode: str,
    align_corners: bool | None = None,
    size: Sequence[int] | None = None,
    scale: Sequence[float] | None = None,
) -> Tensor:
    names = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}
    return functional.interpolate(
        x,
        size=None if size is None else tuple(size),
        scale_factor=None if scale is None else tuple(scale),
        mode=names[mode][ndim - 1] if mode in names else mode,
        align_corners=align_corners,
    )


def _matrix(site: Site, axis: int, native: dict[str, Any] | None) -> Tensor:
    """Weights of one axis, float64 of shape (positions made, positions read)."""
    n, m = site.shape[axis], site.made_shape[axis]
    if native is None:
        return _own_matrix(site, axis)
    one = dict(native)
    for key in ("size", "scale"):  # beside an axis of length one, as cubic has two axes only
        if key in one:
            one[key] = (1, one[key][axis])
    basis = torch.eye(n, dtype=torch.float64)[:, None, None]
    return _interpolated(basis, 2, **one).reshape(n, m).T.contiguous()


def _own_matrix(site: Site, axis: int) -> Tensor:
    given = site.params
    mode, coordinates, rounding = params.upsample_grid(
        given.get("mode", "nearest"),
        given.get("align_corners", False),
        given.get("coordinates"),
        given.get("rounding"),
    )
    ratios, _ = params.upsample_sizes(site.shape, given.get("scale"), given.get("size"))
    n, m, ratio = site.shape[axis], site.made_shape[axis], Fraction(ratios[axis])
    if n == m and ratio == 1:
        return torch.eye(n, dtype=torch.float64)
    if mode == "nearest":
        from erfgraph import axes

        read = axes.matrix(resize.resized_axis(n, m, ratio, mode, coordinates, rounding))
        return torch.from_numpy(read.toarray().astype(np.float64))
    weights = resize.resized_weights(n, m, ratio, mode, coordinates)
    found = np.zeros((m, n))
    found[weights.outs, weights.srcs] = weights.counts
    return torch.from_numpy(found)
