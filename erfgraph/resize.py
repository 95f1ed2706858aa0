"""Interpolation along one axis: which source positions an output position reads, how heavily.

Sources: PyTorch's Upsample and ONNX's Resize, whose names of grids are taken.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

from erfgraph import axes
from erfgraph.axes import AxisMap, Sparse, Taps

MOST_PHASES = 1024  # of an upsampling that is kept as one progression a phase
CUBIC = -0.75  # Keys' parameter, PyTorch's and ONNX's


@lru_cache(maxsize=1024)
def resized_axis(
    n_in: int, n_out: int, ratio: Fraction, mode: str, coordinates: str, rounding: str
) -> AxisMap:
    """What each output position reads: one edge per source whose weight is not zero."""
    if n_in == n_out and ratio == 1:
        return axes.identity(n_in)
    # at a whole scale, pixel centres and pixel corners have the same neighbours
    plain = (coordinates, rounding) in (("asymmetric", "floor"), ("half_pixel", "half_up"))
    if mode == "nearest" and plain and ratio.denominator == 1 and ratio <= MOST_PHASES:
        f = int(ratio)  # one progression a phase: outputs i, i + f, i + 2f, … read 0, 1, 2, …
        return Taps(n_in, n_out, tuple(axes.Run(i, f, 0, 1, n_in) for i in range(f)))
    axes.check_entries(4 * n_out)
    if mode == "nearest":
        top, bottom = _source_positions(n_in, n_out, ratio, coordinates)
        shift = {"floor": 0, "half_up": bottom, "ceil": 2 * bottom - 2, "half_down": bottom - 1}
        nearest = (2 * top + shift[rounding]) // (2 * bottom)
        outs = np.arange(n_out, dtype=np.int64)
        return axes.from_pairs(n_in, n_out, outs, np.clip(nearest, 0, n_in - 1))
    weighted = resized_weights(n_in, n_out, ratio, mode, coordinates)
    # a border that is read twice is one source
    return axes.from_pairs(n_in, n_out, weighted.outs, weighted.srcs)


@lru_cache(maxsize=1024)
def resized_weights(n_in: int, n_out: int, ratio: Fraction, mode: str, coordinates: str) -> Sparse:
    """The weights of linear or cubic interpolation; those of each output position sum to 1."""
    top, bottom = _source_positions(n_in, n_out, ratio, coordinates)
    top = np.maximum(top, 0) if mode == "linear" else top
    first, part = top // bottom, (top % bottom) / bottom
    offsets = (0, 1) if mode == "linear" else (-1, 0, 1, 2)
    out = np.arange(n_out, dtype=np.int64)
    outs, srcs, weights = [], [], []
    for o in offsets:
        # a source of weight zero is no source: on a grid point, only the point itself is read
        kept = slice(None) if o == 0 else part > 0
        weight = _linear(part - o) if mode == "linear" else _cubic(part - o)
        outs.append(out[kept])
        srcs.append(np.clip(first + o, 0, n_in - 1)[kept])
        weights.append(weight[kept])
    keys = np.concatenate(outs) * n_in + np.concatenate(srcs)
    found, inverse = np.unique(keys, return_inverse=True)
    total = np.bincount(inverse, np.concatenate(weights), len(found))
    return Sparse(n_in, n_out, found // n_in, found % n_in, total)


def _linear(distance: np.ndarray) -> np.ndarray:
    return np.asarray(1 - np.abs(distance))


def _cubic(distance: np.ndarray) -> np.ndarray:
    """The kernel of cubic convolution (Keys 1981)."""
    d, a = np.abs(distance), CUBIC
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.asarray(np.where(d <= 1, near, far))


def _source_positions(
    n_in: int, n_out: int, ratio: Fraction, coordinates: str
) -> tuple[np.ndarray, int]:
    """Where each output position lies among the input's: numerators over one denominator."""
    out = np.arange(n_out, dtype=np.int64)
    p, q = ratio.numerator, ratio.denominator
    if coordinates == "align_corners":
        return out * (n_in - 1), max(n_out - 1, 1)
    if coordinates == "asymmetric":
        return out * q, p
    if coordinates == "half_pixel":
        return (2 * out + 1) * q - p, 2 * p
    # the grids' middles coincide even where the output's size was rounded
    return (2 * out + 1 - n_out) * q + (n_in - 1) * p, 2 * p
