"""Layers whose weights are drawn: shapes, fans and variances of the weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from erfgraph import params
from erfgraph.channels import Mix
from erfgraph.featuremap import FeatureMap
from erfgraph.initial import weight_variance

DRAWN = ("conv", "conv_transpose", "linear")


def weight_shape(m: FeatureMap, read: FeatureMap, mix: Mix) -> tuple[int, ...]:
    """Shape of a drawn layer's weight, as PyTorch holds it."""
    if m.op == "linear":
        return len(mix.makes), len(mix.reads) * math.prod(read.shape)
    kernel = params.kernel_size(m.params["kernel"], len(read.shape))
    if m.op == "conv_transpose":
        return len(mix.reads), len(mix.makes) // mix.groups, *kernel
    return len(mix.makes), len(mix.reads) // mix.groups, *kernel


def fan_in(m: FeatureMap, read: FeatureMap, mix: Mix) -> float:
    """How many numbers an output of a drawn layer reads; of a transposed one, on average."""
    if m.op == "linear":
        return len(mix.reads) * math.prod(read.shape)
    p, ndim = m.params, len(read.shape)
    mask = p.get("mask")
    kernel = params.kernel_size(p["kernel"], ndim)
    taps: Any = math.prod(kernel) if mask is None else int(np.sum(mask))
    if m.op == "conv_transpose":
        taps /= math.prod(params.per_axis("stride", p.get("stride", 1), ndim, 1))
    return float(len(mix.reads) // mix.groups * taps)


def drawn_variance(m: FeatureMap, read: FeatureMap, mix: Mix, init: str | None) -> float:
    """Variance of a drawn layer's weights."""
    if init is None:
        return 1 / fan_in(m, read, mix)
    return weight_variance(init, weight_shape(m, read, mix))
