"""Layers whose weights are fixed: what an average, an interpolation or a copy multiplies by.

One row an operation. Along an axis such a layer is an axis map and a factor for all of its
entries, or, where its weights differ, a `Sparse` map that holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from erfgraph import axes, params
from erfgraph.axes import AxisMap, Dense, Sparse
from erfgraph.featuremap import FeatureMap
from erfgraph.layers import Term
from erfgraph.resize import resized_weights

WeightedTerm = tuple[Term, float]  # axis maps, and a factor for all of their entries
WeightedAxis = tuple[AxisMap, float]


def fixed_term(made: FeatureMap, read: FeatureMap, term: Term) -> WeightedTerm | None:
    """A term of a layer's link with its weights; None for a layer whose weights are drawn.

    Parameters
    ----------
    made : FeatureMap
        What the layer makes.
    read : FeatureMap
        The map that the link reads.
    term : tuple of AxisMap
        Of the link.
    """
    rule = FIXED.get(made.op)
    if rule is None:
        return None
    found = [rule(made, read, a, axis) for a, axis in enumerate(term)]
    return tuple(axis for axis, _ in found), float(np.prod([factor for _, factor in found]))


def _copied(made: FeatureMap, read: FeatureMap, a: int, axis: AxisMap) -> WeightedAxis:
    return axis, 1.0


def _averaged(made: FeatureMap, read: FeatureMap, a: int, axis: AxisMap) -> WeightedAxis:
    """Every output position is the mean of what it reads."""
    if isinstance(axis, Dense):
        return axis, 1 / axis.n_in
    return shared(axis)


def _pooled(made: FeatureMap, read: FeatureMap, a: int, axis: AxisMap) -> WeightedAxis:
    p = made.params
    if not p.get("count_include_pad", True):
        return shared(axis)
    ndim = len(read.shape)
    kernel = params.kernel_size(p["kernel"], ndim)
    stride = params.per_axis("stride", p.get("stride", p["kernel"]), ndim, 1)
    dilation = params.per_axis("dilation", p.get("dilation", 1), ndim, 1)
    pads = params.padding_sides(p.get("padding", 0), read.shape, kernel, stride, dilation)
    before, after = pads[a]
    k = kernel[a]
    if dilation[a] > 1:
        return axis, 1 / k
    # as in PyTorch: of a window that hangs over the padded map, what lies inside counts
    starts = np.arange(made.shape[a]) * stride[a] - before
    sizes = np.minimum(starts + k, read.shape[a] + after) - starts
    if (sizes == k).all():
        return axis, 1 / k
    return shared(axis, tuple(sizes.tolist()))


@lru_cache(maxsize=512)
def shared(axis: AxisMap, sizes: tuple[int, ...] | None = None) -> WeightedAxis:
    """Each read weighs one over a size per output position; default how many reads it makes."""
    divisor = axes.row_sums(axis) if sizes is None else np.array(sizes)
    if len(divisor) and (divisor == divisor[0]).all() and divisor[0] > 0:
        return axis, 1 / float(divisor[0])
    outs, srcs, counts = axes.triplets(axis)
    return Sparse(axis.n_in, axis.n_out, outs, srcs, counts / divisor[outs]), 1.0


def _interpolated(made: FeatureMap, read: FeatureMap, a: int, axis: AxisMap) -> WeightedAxis:
    p: Mapping[str, Any] = made.params
    given = (p.get(key) for key in ("align_corners", "coordinates", "rounding"))
    mode, coordinates, _ = params.upsample_grid(p.get("mode", "nearest"), *given)
    if mode == "nearest" or axes.is_identity(axis):
        return axis, 1.0
    ratios, _ = params.upsample_sizes(read.shape, p.get("scale"), p.get("size"))
    return resized_weights(axis.n_in, axis.n_out, ratios[a], mode, coordinates), 1.0


FIXED: dict[str, Callable[[FeatureMap, FeatureMap, int, AxisMap], WeightedAxis]] = {
    "avg_pool": _pooled,
    "adaptive_pool": _averaged,
    "global_pool": _averaged,
    "attention": _averaged,
    "upsample": _interpolated,
    **dict.fromkeys(
        (
            "pad",
            "crop",
            "slice",
            "roll",
            "add",
            "concat",
            "channel_pool",
            "pixel_shuffle",
            "pixel_unshuffle",
        ),
        _copied,
    ),
}
