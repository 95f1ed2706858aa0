"""Parameters of layers: what the caller wrote, checked, as one number or pair per axis.

One value stands for all axes, a sequence for one per axis. `LayerError` names the parameter,
what it got and what it wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from erfgraph.errors import LayerError

Shape = tuple[int, ...]
Sides = tuple[tuple[int, int], ...]  # (before, after) per axis

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
PAD_MODES = (*PADDING_MODES, "symmetric")
UPSAMPLE_MODES = ("nearest", "linear", "cubic")
COORDINATES = ("asymmetric", "half_pixel", "half_pixel_symmetric", "align_corners")
ROUNDINGS = ("floor", "ceil", "half_down", "half_up")
LARGEST_KERNEL = 1 << 16


def bad(field: str, got: Any, wanted: str) -> LayerError:
    """The error for a parameter that does not fit."""
    return LayerError(f"{field}: got {got!r}, wanted {wanted}")


def is_int(value: Any) -> bool:
    """Whether a value is an integer; True and False are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def per_axis(field: str, value: Any, ndim: int, least: int) -> tuple[int, ...]:
    """One integer per axis, from one for all or from a sequence of them."""
    if type(value) is int and value >= least:  # as nearly always
        return (value,) * ndim
    values = value if isinstance(value, list | tuple) else (value,) * ndim
    if len(values) != ndim or not all(is_int(v) and v >= least for v in values):
        raise bad(field, value, f"an integer >= {least}, or {ndim} of them (one per axis)")
    return tuple(int(v) for v in values)


def per_side(field: str, value: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """A (before, after) pair per axis, from one number, one per axis, or the pairs."""
    if type(value) is int and value >= 0:
        return ((value, value),) * ndim
    values = value if isinstance(value, list | tuple) else (value,) * ndim
    pairs = [tuple(v) if isinstance(v, list | tuple) else (v, v) for v in values]
    if len(pairs) != ndim or not all(
        len(pair) == 2 and all(is_int(v) and v >= 0 for v in pair) for pair in pairs
    ):
        raise bad(field, value, f"an integer >= 0, or {ndim} of them or of (before, after) pairs")
    return tuple((int(before), int(after)) for before, after in pairs)


def one_of(field: str, value: str, names: Sequence[str]) -> str:
    """The value itself, if it is one of the names."""
    if not isinstance(value, str) or value not in names:
        raise bad(field, value, "one of " + ", ".join(repr(name) for name in names))
    return value


def kernel_size(value: Any, ndim: int) -> tuple[int, ...]:
    """Taps per axis."""
    kernel = per_axis("kernel", value, ndim, 1)
    if max(kernel) > LARGEST_KERNEL:
        raise bad("kernel", value, f"at most {LARGEST_KERNEL} taps per axis")
    return kernel


def padding_sides(
    value: Any, shape: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> tuple[tuple[int, int], ...]:
    """Padding per side of every axis; ``"same"`` keeps ceil(size / stride) positions."""
    if value == "valid":
        return ((0, 0),) * len(shape)
    if value in ("same", "same_lower"):
        pairs = []
        for n, k, s, d in zip(shape, kernel, stride, dilation, strict=True):
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            less, more = total // 2, total - total // 2
            pairs.append((less, more) if value == "same" else (more, less))
        return tuple(pairs)
    if isinstance(value, str):
        raise bad("padding", value, "'same', 'same_lower', 'valid', or numbers")
    return per_side("padding", value, len(shape))


def transposed_padding(
    value: Any, kernel: Shape, stride: Shape, dilation: Shape, output_padding: Any = 0
) -> tuple[Sides, Shape]:
    """Padding per side and output padding of a transposed convolution.

    ``"same"`` and ``"valid"`` as TensorFlow: the gradient of the forward convolution.
    """
    ndim = len(kernel)
    extra = per_axis("output_padding", output_padding, ndim, 0)
    if isinstance(value, str):
        one_of("padding", value, ("same", "valid"))
        gaps = [d * (k - 1) + 1 - s for k, s, d in zip(kernel, stride, dilation, strict=True)]
        totals = [max(gap, 0) if value == "same" else 0 for gap in gaps]
        return (
            tuple((total // 2, total - total // 2) for total in totals),
            tuple(max(-gap, 0) + e for gap, e in zip(gaps, extra, strict=True)),
        )
    for a in range(ndim):
        if extra[a] >= max(stride[a], dilation[a]):
            raise bad("output_padding", extra[a], f"less than the stride or dilation on axis {a}")
    return per_side("padding", value, ndim), extra


def slice_ranges(shape: Shape, start: Any, stop: Any, step: Any) -> tuple[range, ...]:
    """The positions that Python's slicing takes, per axis."""
    ndim = len(shape)
    parts = []
    for field, value in (("start", start), ("stop", stop), ("step", step)):
        values = value if isinstance(value, list | tuple) else (value,) * ndim
        if len(values) != ndim or not all(v is None or is_int(v) for v in values):
            raise bad(field, value, f"an integer, None, or {ndim} of them (one per axis)")
        parts.append(values)
    ranges = []
    for n, *bounds in zip(shape, *parts, strict=True):
        if bounds[2] == 0:
            raise bad("step", step, "anything but 0")
        ranges.append(range(*slice(*bounds).indices(n)))
    if not all(ranges):
        raise LayerError(f"stop: nothing is left of {shape} between {start} and {stop}")
    return tuple(ranges)


def shifts(value: Any, ndim: int) -> tuple[int, ...]:
    """One integer of any sign per axis."""
    values = value if isinstance(value, list | tuple) else (value,) * ndim
    if len(values) != ndim or not all(is_int(v) for v in values):
        raise bad("shift", value, f"an integer, or {ndim} of them (one per axis)")
    return tuple(int(v) for v in values)


def upsample_mode(mode: str) -> str:
    """The mode, torch's names for two and three axes included."""
    torch_names = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
    mode = one_of("mode", mode, (*UPSAMPLE_MODES, "nearest_exact", *torch_names))
    return torch_names.get(mode, mode)


def upsample_grid(
    mode: str, align_corners: Any = False, coordinates: Any = None, rounding: Any = None
) -> tuple[str, str, str]:
    """How positions of a resized map are placed among its source's: mode, grid and rounding.

    Examples
    --------
    >>> upsample_grid("bilinear")
    ('linear', 'half_pixel', 'floor')
    >>> upsample_grid("nearest_exact")
    ('nearest', 'half_pixel', 'half_up')
    """
    exact = mode == "nearest_exact"
    mode = "nearest" if exact else upsample_mode(mode)
    if rounding is not None:
        one_of("rounding", rounding, ROUNDINGS)
        if mode != "nearest" or exact:
            raise bad("rounding", rounding, f"none in mode {'nearest_exact' if exact else mode!r}")
    if coordinates is not None:
        one_of("coordinates", coordinates, COORDINATES)
        if align_corners or exact:
            what = "mode 'nearest_exact'" if exact else "align_corners"
            raise bad("coordinates", coordinates, f"none beside {what}")
    elif exact:
        return mode, "half_pixel", "half_up"
    elif mode == "nearest":
        coordinates = "asymmetric"
    else:
        coordinates = "align_corners" if align_corners else "half_pixel"
    return mode, coordinates, rounding or "floor"


def upsample_sizes(shape: Shape, scale: Any, size: Any) -> tuple[tuple[Fraction, ...], Shape]:
    """Output over input as exact fractions, and the output's sizes."""
    if (scale is None) == (size is None):
        raise LayerError(f"scale: got scale={scale!r} and size={size!r}, wanted one of the two")
    if size is not None:
        sizes = per_axis("size", size, len(shape), 1)
        return tuple(Fraction(m, n) for n, m in zip(shape, sizes, strict=True)), sizes
    ratios = _ratios(scale, len(shape))
    sizes = tuple(int(n * r) for n, r in zip(shape, ratios, strict=True))
    if min(sizes) < 1:
        raise bad("scale", scale, f"an output of at least 1 per axis, not {sizes}")
    return tuple(ratios), sizes


def _ratios(scale: Any, ndim: int) -> list[Fraction]:
    values = scale if isinstance(scale, list | tuple) else (scale,) * ndim
    numbers = [v for v in values if is_int(v) or (isinstance(v, float) and math.isfinite(v))]
    # through text: 0.1 means one tenth, not the double nearest to it
    ratios = [Fraction(str(v)) for v in numbers]
    if (
        len(ratios) != len(values)
        or len(ratios) != ndim
        or not all(0 < r <= 1 << 20 for r in ratios)
    ):
        raise bad("scale", scale, f"a positive number, or {ndim} of them (one per axis)")
    return ratios


def kernel_products(kernel: Shape, mask: Any) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """The kept taps of a kernel as a disjoint union of products of per-axis taps.

    Rows of the mask that keep the same taps share one product, so a full kernel is one
    product, and so is a mask that is itself separable.

    Examples
    --------
    >>> kernel_products((3, 3), [[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    (((0, 2), (1,)), ((1,), (0, 1, 2)))
    """
    if mask is None:
        return (tuple(tuple(range(k)) for k in kernel),)
    try:
        kept = np.asarray(mask)
        if kept.dtype.kind not in "biu" or not np.isin(kept, (0, 1)).all():
            raise ValueError
    except ValueError:
        raise bad("mask", mask, "an array of booleans (or 0 and 1)") from None
    if kept.shape != kernel:
        raise bad("mask", kept.shape, f"the kernel's shape {kernel}")
    if not kept.any():
        raise LayerError("mask: keeps no tap of the kernel, wanted at least one")
    return tuple(_mask_products(kept.astype(bool)))


def _mask_products(mask: np.ndarray) -> list[tuple[tuple[int, ...], ...]]:
    if mask.ndim == 1:
        return [(tuple(np.flatnonzero(mask).tolist()),)] if mask.any() else []
    rows: dict[bytes, list[int]] = {}
    for index, row in enumerate(mask):
        rows.setdefault(row.tobytes(), []).append(index)
    return [
        (tuple(indices), *product)
        for indices in rows.values()
        for product in _mask_products(mask[indices[0]])
    ]
