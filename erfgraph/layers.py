"""What each layer connects: shapes and parameters in, an output shape and axis maps out.

One small function a layer, none of which knows of networks, names or channels. Each returns
the output's spatial shape and one `Terms` per input map. Parameters may be one value for all
axes or one per axis; `LayerError` names the parameter that does not fit.

Sources: output sizes follow the PyTorch documentation (Conv2d, ConvTranspose2d, MaxPool2d
with ``ceil_mode``, AdaptiveAvgPool2d, Upsample); ``"same"`` follows TensorFlow, which agrees
with PyTorch where PyTorch defines it (stride 1).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from erfgraph import axes, params
from erfgraph.axes import AxisMap, Dense, Sparse, Taps
from erfgraph.errors import LayerError
from erfgraph.params import Shape
from erfgraph.resize import resized_axis

Term = tuple[AxisMap, ...]  # one axis map per axis; the edges are their Kronecker product
Terms = tuple[Term, ...]  # the edges are the sum of the terms; one unless a mask needs more

MOST_PLACES = 1 << 14  # in the block of a pixel shuffle, each of which is joined by itself


# --- convolution and pooling --------------------------------------------------------------


def conv(
    shape: Shape,
    kernel: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    padding_mode: str = "zeros",
    mask: Any = None,
    ceil_mode: bool = False,
) -> tuple[Shape, Terms]:
    """A convolution or a pool: output y reads ``y*stride - padding + t*dilation``."""
    ndim = len(shape)
    kernel = params.kernel_size(kernel, ndim)
    stride = params.per_axis("stride", stride, ndim, 1)
    dilation = params.per_axis("dilation", dilation, ndim, 1)
    pads = params.padding_sides(padding, shape, kernel, stride, dilation)
    params.one_of("padding_mode", padding_mode, params.PADDING_MODES)
    sizes = tuple(
        _conv_size(a, n, k, s, p, d, ceil_mode)
        for a, (n, k, s, p, d) in enumerate(
            zip(shape, kernel, stride, pads, dilation, strict=True)
        )
    )
    _check_padding_mode(shape, pads, padding_mode)

    def axis(a: int, taps: tuple[int, ...]) -> AxisMap:
        return _conv_axis(
            shape[a], sizes[a], taps, stride[a], pads[a][0], dilation[a], padding_mode
        )

    return sizes, tuple(
        tuple(axis(a, taps) for a, taps in enumerate(product))
        for product in params.kernel_products(kernel, mask)
    )


def _conv_size(
    axis: int, n: int, k: int, s: int, pad: tuple[int, int], d: int, ceil_mode: bool
) -> int:
    free = n + sum(pad) - (d * (k - 1) + 1)
    size = (-(-free // s) if ceil_mode else free // s) + 1
    if size < 1:
        raise LayerError(
            f"kernel: spans {d * (k - 1) + 1} positions on axis {axis}, "
            f"but the padded input has {n + sum(pad)} (input {n}, padding {pad[0]} + {pad[1]})"
        )
    # as in PyTorch: the last window must start inside the input or its left padding
    return size - 1 if ceil_mode and (size - 1) * s >= n + pad[0] else size


@lru_cache(maxsize=4096)
def _conv_axis(
    n_in: int, n_out: int, taps: tuple[int, ...], s: int, pad: int, d: int, mode: str
) -> Taps:
    if mode == "zeros":
        return axes.strided_taps(n_in, n_out, taps, s, pad, d)
    axes.check_entries(n_out * len(taps))
    reads = np.arange(n_out) * s - pad
    return axes.gathered(n_in, [_padded_source(reads + t * d, n_in, mode) for t in taps])


def _padded_source(position: np.ndarray, n: int, mode: str) -> np.ndarray:
    """The real position that a padded position copies."""
    if mode == "replicate":
        return np.asarray(np.clip(position, 0, n - 1))
    if mode == "circular":
        return np.asarray(position % n)
    # mirrored: "reflect" leaves the border out of the mirror image, "symmetric" repeats it
    period = 2 * (n - 1) if mode == "reflect" else 2 * n
    position = position % max(period, 1)
    mirrored = period - position - (mode == "symmetric")
    return np.asarray(np.where(position < n, position, mirrored))


def _check_padding_mode(shape: Shape, pads: Sequence[tuple[int, int]], mode: str) -> None:
    room = {"reflect": -1, "circular": 0, "symmetric": 0}
    for a, (n, pad) in enumerate(zip(shape, pads, strict=True)):
        if mode in room and max(pad) > n + room[mode]:
            raise LayerError(
                f"padding: {max(pad)} on axis {a} is too much for mode {mode!r}, "
                f"which can fill at most {n + room[mode]} from an input of {n}"
            )


def conv_transpose(
    shape: Shape,
    kernel: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    output_padding: Any = 0,
    mask: Any = None,
) -> tuple[Shape, Terms]:
    """The reversed edges of the convolution of the same parameters."""
    ndim = len(shape)
    kernel = params.kernel_size(kernel, ndim)
    stride = params.per_axis("stride", stride, ndim, 1)
    dilation = params.per_axis("dilation", dilation, ndim, 1)
    pads, extra = params.transposed_padding(padding, kernel, stride, dilation, output_padding)
    sizes = tuple(
        (n - 1) * s + d * (k - 1) + 1 - sum(pad) + e
        for n, k, s, d, pad, e in zip(shape, kernel, stride, dilation, pads, extra, strict=True)
    )
    if min(sizes) < 1:
        raise params.bad("padding", padding, f"an output of at least 1 per axis, not {sizes}")
    return sizes, tuple(
        tuple(
            axes.transposed_taps(shape[a], sizes[a], taps, stride[a], pads[a][0], dilation[a])
            for a, taps in enumerate(product)
        )
        for product in params.kernel_products(kernel, mask)
    )


def adaptive_pool(shape: Shape, size: Any) -> tuple[Shape, Terms]:
    """Output i reads ``[floor(i*n/size), ceil((i+1)*n/size))``, as PyTorch does."""
    sizes = params.per_axis("size", size, len(shape), 1)
    return sizes, (tuple(_adaptive_axis(n, m) for n, m in zip(shape, sizes, strict=True)),)


@lru_cache(maxsize=256)
def _adaptive_axis(n_in: int, n_out: int) -> AxisMap:
    if n_out == n_in:
        return axes.identity(n_in)
    if n_out == 1:
        return Dense(n_in, 1)
    axes.check_entries(n_in + 2 * n_out)
    return _ranges(n_in, [(i * n_in // n_out, -(-(i + 1) * n_in // n_out)) for i in range(n_out)])


def _ranges(n_in: int, ranges: Sequence[tuple[int, int]]) -> Sparse:
    """Output i reads every input position of the i-th half-open range."""
    outs = np.repeat(np.arange(len(ranges)), [stop - start for start, stop in ranges])
    srcs = np.concatenate([np.arange(start, stop) for start, stop in ranges])
    return axes.from_pairs(n_in, len(ranges), outs, srcs)


# --- dense layers -------------------------------------------------------------------------


def dense(shape: Shape) -> tuple[Shape, Terms]:
    """A global pool or a linear layer over positions: one output unit reads everything."""
    return (1,) * len(shape), (tuple(Dense(n, 1) for n in shape),)


def broadcast(shape: Shape, target: Shape) -> Terms:
    """Every unit of the target reads the input's unit, whose shape is 1 where it differs."""
    return (
        tuple(
            axes.identity(n) if n == m else Dense(n, m) for n, m in zip(shape, target, strict=True)
        ),
    )


def attention(
    shape: Shape, window: Any = None, shift: Any = 0, dilation: Any = 1
) -> tuple[Shape, Terms]:
    """Every position reads every position of its window (of the whole map without one)."""
    ndim = len(shape)
    if window is None:
        for field, value, plain in (("shift", shift, 0), ("dilation", dilation, 1)):
            if value != plain:
                raise params.bad(field, value, f"{plain} where attention has no window")
        return shape, (tuple(Dense(n, n) for n in shape),)
    windows = params.per_axis("window", window, ndim, 1)
    spacing = params.per_axis("dilation", dilation, ndim, 1)
    shifts = params.per_axis("shift", shift, ndim, 0)
    for a, (w, s, d) in enumerate(zip(windows, shifts, spacing, strict=True)):
        if s >= w * d:
            raise params.bad("shift", shift, f"less than the window {w * d} on axis {a}")
    return shape, (
        tuple(
            _window_axis(n, w, s, d)
            for n, w, s, d in zip(shape, windows, shifts, spacing, strict=True)
        ),
    )


@lru_cache(maxsize=256)
def _window_axis(n: int, window: int, shift: int, dilation: int) -> AxisMap:
    if window >= n and shift == 0 and dilation == 1:
        return Dense(n, n)
    axes.check_entries(n * min(window, n))
    positions = np.arange(n)
    tile, phase = (positions - shift) // (window * dilation), (positions - shift) % dilation
    # positions of one window share a key; sorted by it, each reads a stretch of them
    _, group, sizes = np.unique(tile * dilation + phase, return_inverse=True, return_counts=True)
    members = np.argsort(group, kind="stable")
    lengths = sizes[group]
    starts = (np.cumsum(sizes) - sizes)[group] - (np.cumsum(lengths) - lengths)
    srcs = members[np.repeat(starts, lengths) + np.arange(lengths.sum())]
    return axes.from_pairs(n, n, np.repeat(positions, lengths), srcs)


# --- channels against positions ---


def pixel_shuffle(shape: Shape, block: Any) -> tuple[Shape, Terms, tuple[Terms, ...]]:
    """Each position becomes a block of positions, each of which takes some of the channels.

    Beside the terms with channels collapsed, those of every place in the block, in row-major
    order.
    """
    factors = params.per_axis("block", block, len(shape), 1)
    sizes = tuple(n * f for n, f in zip(shape, factors, strict=True))
    _check_places(factors, block)
    axis_maps = [
        [Taps(n, m, (axes.Run(t, f, 0, 1, n),)) for t in range(f)]
        for n, m, f in zip(shape, sizes, factors, strict=True)
    ]
    every = tuple(
        Taps(n, m, tuple(t.runs[0] for t in of))
        for n, m, of in zip(shape, sizes, axis_maps, strict=True)
    )
    return sizes, (every,), tuple((term,) for term in itertools.product(*axis_maps))


def pixel_unshuffle(shape: Shape, block: Any) -> tuple[Shape, Terms, tuple[Terms, ...]]:
    """Each block of positions becomes one, its positions' channels side by side."""
    factors = params.per_axis("block", block, len(shape), 1)
    _check_places(factors, block)
    if any(n % f for n, f in zip(shape, factors, strict=True)):
        raise params.bad("block", block, f"a divisor of every size of {shape}")
    sizes = tuple(n // f for n, f in zip(shape, factors, strict=True))
    axis_maps = [
        [axes.strided_taps(n, m, (t,), f, 0, 1) for t in range(f)]
        for n, m, f in zip(shape, sizes, factors, strict=True)
    ]
    every = tuple(
        axes.strided_taps(n, m, tuple(range(f)), f, 0, 1)
        for n, m, f in zip(shape, sizes, factors, strict=True)
    )
    return sizes, (every,), tuple((term,) for term in itertools.product(*axis_maps))


def _check_places(factors: Shape, block: Any) -> None:
    if math.prod(factors) > MOST_PLACES:
        raise params.bad("block", block, f"at most {MOST_PLACES} places in a block")


# --- layers that copy ---------------------------------------------------------------------


def merge(shape: Shape) -> Terms:
    """Add, concat, multiply: each unit reads the unit at the same position."""
    return (tuple(axes.identity(n) for n in shape),)


def pad(shape: Shape, padding: Any, mode: str = "zeros") -> tuple[Shape, Terms]:
    """Positions before and after each axis; a zero reads nothing, others copy a unit."""
    pads = params.per_side("padding", padding, len(shape))
    params.one_of("mode", mode, params.PAD_MODES)
    _check_padding_mode(shape, pads, mode)
    sizes = tuple(n + sum(p) for n, p in zip(shape, pads, strict=True))
    return sizes, (
        tuple(
            _conv_axis(n, m, (0,), 1, p[0], 1, mode)
            for n, m, p in zip(shape, sizes, pads, strict=True)
        ),
    )


def crop(shape: Shape, amount: Any) -> tuple[Shape, Terms]:
    """The map without some positions before and after each axis."""
    cuts = params.per_side("amount", amount, len(shape))
    sizes = tuple(n - sum(cut) for n, cut in zip(shape, cuts, strict=True))
    if min(sizes) < 1:
        raise params.bad("amount", amount, f"at least one position left of {shape}")
    return sizes, (
        tuple(
            axes.strided_taps(n, m, (0,), 1, -cut[0], 1)
            for n, m, cut in zip(shape, sizes, cuts, strict=True)
        ),
    )


def slice_(
    shape: Shape, start: Any = None, stop: Any = None, step: Any = None
) -> tuple[Shape, Terms]:
    """Python's slicing, per axis, with positive or negative steps."""
    ranges = params.slice_ranges(shape, start, stop, step)
    return tuple(len(r) for r in ranges), (
        tuple(
            Taps(n, len(r), (axes.Run(0, 1, r.start, r.step, len(r)),))
            for n, r in zip(shape, ranges, strict=True)
        ),
    )


def roll(shape: Shape, shift: Any) -> tuple[Shape, Terms]:
    """Circular shift: output i reads input ``(i - shift) % n``."""
    values = params.shifts(shift, len(shape))
    return shape, (tuple(_rolled_axis(n, v) for n, v in zip(shape, values, strict=True)),)


@lru_cache(maxsize=256)
def _rolled_axis(n: int, shift: int) -> Taps:
    """Two stretches: what moves within the axis, and what wraps around."""
    first = shift % n
    runs = (axes.Run(first, 1, 0, 1, n - first), axes.Run(0, 1, n - first, 1, first))
    return Taps(n, n, tuple(run for run in runs if run.length))


# --- resampling ---------------------------------------------------------------------------


def upsample(
    shape: Shape,
    scale: Any = None,
    mode: str = "nearest",
    size: Any = None,
    align_corners: bool = False,
    coordinates: Any = None,
    rounding: Any = None,
) -> tuple[Shape, Terms]:
    """Nearest, linear or cubic interpolation to a scale or a size."""
    grid = params.upsample_grid(mode, align_corners, coordinates, rounding)
    ratios, sizes = params.upsample_sizes(shape, scale, size)
    return sizes, (
        tuple(resized_axis(n, m, r, *grid) for n, m, r in zip(shape, sizes, ratios, strict=True)),
    )
