"""What each layer reads, as closed formulas of its parameters; one small function a layer.

`Pattern` is the receptive-field arithmetic's own account of a layer. It shares nothing with
the axis maps of the graph but the reading of parameters, so that each proves the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from erfgraph import params as read
from erfgraph.params import Shape

Hull = tuple[int, int]  # first and last position that is read, both inclusive


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the positions of one output axis read of one input axis, borders ignored.

    Position ``len(phases)*j + phase`` reads from ``advance*j + first`` to ``advance*j + last``.

    Attributes
    ----------
    advance : int
        Input positions that a whole period moves on; 0 where every position reads the same.
    phases : tuple of (first, last) or None
        One per position of a period; None where nothing is read.
    step : int
        From first to last every step-th position is read (dilation).
    """

    advance: int
    phases: tuple[Hull | None, ...]
    step: int = 1


Patterns = tuple[Pattern, ...]  # one per axis
IDENTITY = Pattern(1, ((0, 0),))


def _taps(kernel: Shape, mask: Any) -> list[list[int]]:
    """Per axis, the taps that the mask keeps anywhere."""
    if mask is None:
        return [list(range(k)) for k in kernel]
    kept = np.asarray(mask, dtype=bool)
    return [
        np.flatnonzero(kept.any(axis=tuple(b for b in range(kept.ndim) if b != a))).tolist()
        for a in range(kept.ndim)
    ]


def _common_step(taps: list[int]) -> int:
    """The largest step that meets every tap from the first on."""
    return math.gcd(*(t - taps[0] for t in taps)) or 1


def _window(
    shape: Shape,
    params: Mapping[str, Any],
    default_stride: Any,
) -> Patterns:
    ndim = len(shape)
    kernel = read.per_axis("kernel", params["kernel"], ndim, 1)
    stride = read.per_axis("stride", params.get("stride", default_stride), ndim, 1)
    dilation = read.per_axis("dilation", params.get("dilation", 1), ndim, 1)
    pads = read.padding_sides(params.get("padding", 0), shape, kernel, stride, dilation)
    taps = _taps(kernel, params.get("mask"))
    return tuple(
        Pattern(s, ((t[0] * d - pad, t[-1] * d - pad),), d * _common_step(t))
        for s, d, (pad, _), t in zip(stride, dilation, pads, taps, strict=True)
    )


def _conv(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    return _window(shape, params, 1)


def _pool(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    return _window(shape, params, params["kernel"])


def _conv_transpose(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    """Position u is reached by input x and tap t where ``x*stride - padding + t*dilation = u``."""
    ndim = len(shape)
    kernel = read.per_axis("kernel", params["kernel"], ndim, 1)
    stride = read.per_axis("stride", params.get("stride", 1), ndim, 1)
    dilation = read.per_axis("dilation", params.get("dilation", 1), ndim, 1)
    pads, _ = read.transposed_padding(params.get("padding", 0), kernel, stride, dilation)
    found = []
    for s, d, (pad, _), taps in zip(
        stride, dilation, pads, _taps(kernel, params.get("mask")), strict=True
    ):
        phases: list[Hull | None] = []
        for phase in range(s):
            reads = [(phase + pad - t * d) // s for t in taps if (phase + pad - t * d) % s == 0]
            phases.append((min(reads), max(reads)) if reads else None)
        found.append(Pattern(1, tuple(phases)))
    return tuple(found)


def _adaptive_pool(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    sizes = read.per_axis("size", params["size"], len(shape), 1)
    found = []
    for n, m in zip(shape, sizes, strict=True):
        common = math.gcd(n, m)
        period = m // common
        phases = tuple((i * n // m, -(-(i + 1) * n // m) - 1) for i in range(period))
        found.append(Pattern(n // common, phases))
    return tuple(found)


def _all(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    """One unit that reads everything: a window as large as the map."""
    return tuple(Pattern(n, ((0, n - 1),)) for n in shape)


def _attention(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    if params.get("window") is None:
        return tuple(Pattern(0, ((0, n - 1),)) for n in shape)
    windows = read.per_axis("window", params["window"], len(shape), 1)
    shifts = read.per_axis("shift", params.get("shift", 0), len(shape), 0)
    spacing = read.per_axis("dilation", params.get("dilation", 1), len(shape), 1)
    found = []
    for w, s, d in zip(windows, shifts, spacing, strict=True):
        span = w * d
        starts = [((phase - s) // span) * span + s + (phase - s) % d for phase in range(span)]
        phases = tuple((start, start + (w - 1) * d) for start in starts)
        found.append(Pattern(span, phases, d))
    return tuple(found)


def _pad(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    sides = read.per_side("padding", params["padding"], len(shape))
    return tuple(Pattern(1, ((-before, -before),)) for before, _ in sides)


def _crop(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    sides = read.per_side("amount", params["amount"], len(shape))
    return tuple(Pattern(1, ((before, before),)) for before, _ in sides)


def _slice(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    ranges = read.slice_ranges(shape, *(params.get(k) for k in ("start", "stop", "step")))
    return tuple(Pattern(r.step, ((r.start, r.start),)) for r in ranges)


def _roll(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    """Away from the seam; the positions that wrap around read the other end."""
    return tuple(Pattern(1, ((-v, -v),)) for v in read.shifts(params["shift"], len(shape)))


def _upsample(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    grid = read.upsample_grid(
        params.get("mode", "nearest"),
        params.get("align_corners", False),
        params.get("coordinates"),
        params.get("rounding"),
    )
    ratios, sizes = read.upsample_sizes(shape, params.get("scale"), params.get("size"))
    return tuple(_resized(n, m, r, *grid) for n, m, r in zip(shape, sizes, ratios, strict=True))


def _resized(
    n: int, m: int, ratio: Fraction, mode: str, coordinates: str, rounding: str
) -> Pattern:
    step, offset = 1 / ratio, Fraction(0)
    if coordinates == "align_corners":
        # corner to corner: the grids meet again after (m-1)/gcd outputs
        step = Fraction(n - 1, max(m - 1, 1))
    elif coordinates == "half_pixel":
        offset = (step - 1) / 2
    elif coordinates == "half_pixel_symmetric":
        offset = (n - 1 - (m - 1) * step) / 2
    if mode == "nearest":
        half = Fraction(1, 2)
        nearest: dict[str, Callable[[Fraction], int]] = {
            "floor": math.floor,
            "ceil": math.ceil,
            "half_up": lambda at: math.floor(at + half),
            "half_down": lambda at: math.ceil(at - half),
        }
        found = [nearest[rounding](i * step + offset) for i in range(step.denominator)]
        return Pattern(step.numerator, tuple((at, at) for at in found))
    reach = {"linear": (0, 1), "cubic": (-1, 2)}[mode]
    phases = []
    for phase in range(step.denominator):
        at = phase * step + offset
        first = math.floor(at)
        between = at != first
        phases.append((first + reach[0], first + reach[1]) if between else (first, first))
    return Pattern(step.numerator, tuple(phases))


def _pixel_shuffle(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    factors = read.per_axis("block", params["block"], len(shape), 1)
    return tuple(Pattern(1, ((0, 0),) * f) for f in factors)


def _pixel_unshuffle(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    factors = read.per_axis("block", params["block"], len(shape), 1)
    return tuple(Pattern(f, ((0, f - 1),)) for f in factors)


def _copy(shape: Shape, params: Mapping[str, Any]) -> Patterns:
    return (IDENTITY,) * len(shape)


# one row per `Network` method that makes a feature map
PATTERNS: dict[str, Callable[[Shape, Mapping[str, Any]], Patterns]] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "max_pool": _pool,
    "avg_pool": _pool,
    "adaptive_pool": _adaptive_pool,
    "global_pool": _all,
    "linear": _all,
    "attention": _attention,
    "pad": _pad,
    "crop": _crop,
    "slice": _slice,
    "roll": _roll,
    "upsample": _upsample,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "channel_pool": _copy,
    "add": _copy,
    "multiply": _copy,
    "concat": _copy,
}


def patterns(
    op: str, params: Mapping[str, Any], shape: Shape, out: Shape, source: int
) -> Patterns:
    """What a layer reads of one of its sources.

    Parameters
    ----------
    op : str
        Name of the `Network` method.
    params : mapping
    shape, out : tuple of int
        Spatial shapes of the source and of the output.
    source : int
        Which of the layer's sources it is.

    Returns
    -------
    tuple of Pattern
        One per axis.
    """
    if op == "gate":  # the second source is broadcast where its size is 1
        return tuple(
            IDENTITY if n == m else Pattern(0, ((0, 0),)) for n, m in zip(shape, out, strict=True)
        )
    return PATTERNS[op](shape, params)
