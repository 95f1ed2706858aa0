"""ONNX's resizing, in its modes, grids and roundings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers.arrange import arrange
from erfgraph.importers.layout import is_spatial
from erfgraph.importers.onnx_windows import Numbers, per_axis, sides
from erfgraph.importers.rows import Call
from erfgraph.importers.tracer import cannot
from erfgraph.importers.values import Constant, Traced

LARGEST_SCALE = 1 << 20
MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}
GRIDS = {
    "half_pixel": "half_pixel",
    "pytorch_half_pixel": "half_pixel",
    "half_pixel_symmetric": "half_pixel_symmetric",
    "align_corners": "align_corners",
    "asymmetric": "asymmetric",
}
ROUNDINGS = {
    "round_prefer_floor": "half_down",
    "round_prefer_ceil": "half_up",
    "floor": "floor",
    "ceil": "ceil",
}


def upsampled(c: Call, x: Traced, scales: Any = None, **attributes: Any) -> Traced:
    """Upsample of opset 7 and 9, and Resize of opset 10."""
    factors = _factors(scales)  # an input, or an attribute of that name
    if factors is None:
        raise LayerError(f"{c.op}: the scales are not known")
    mode = _one_of("mode", attributes.get("mode", "nearest"), MODES)
    return _scaled(c, x, factors, list(range(x.ndim)), mode, "asymmetric", "floor")


def resized(
    c: Call,
    x: Traced,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    axes: Numbers = None,
    keep_aspect_ratio_policy: str = "stretch",
    antialias: int = 0,
    **attributes: Any,
) -> Traced:
    """Resize."""
    if roi is not None and scales is None and sizes is None:  # opset 10 has no region
        return upsampled(c, x, roi, mode=mode)
    at = [d % x.ndim for d in axes] if axes else list(range(x.ndim))
    method = _one_of("mode", mode, MODES)
    if coordinate_transformation_mode == "tf_half_pixel_for_nn" and nearest_mode == "floor":
        grid, rounding = "half_pixel", "half_up"  # centres of pixels, but rounded down
    else:
        grid = _one_of("coordinate_transformation_mode", coordinate_transformation_mode, GRIDS)
        rounding = _one_of("nearest_mode", nearest_mode, ROUNDINGS)
    if grid == "half_pixel" and coordinate_transformation_mode == "pytorch_half_pixel":
        grid = "pytorch_half_pixel"
    factors = _factors(scales)
    wanted = _factors(sizes)
    if wanted:
        new = _kept_aspect(c, x, at, [int(m) for m in wanted], keep_aspect_ratio_policy)
    elif factors:
        new = [_scaled_size(x.shape[d], s) for d, s in zip(at, factors, strict=True)]
    else:
        raise LayerError(f"{c.op}: neither scales nor sizes are known")
    if antialias and any(m < x.shape[d] for d, m in zip(at, new, strict=True)):
        raise LayerError(f"{c.op}: shrinking with antialiasing is not supported")
    if wanted:
        target = list(x.shape)
        for d, m in zip(at, new, strict=True):
            target[d] = m
        return _to_sizes(c, x, target, None, method, grid, rounding)
    return _scaled(c, x, factors or [], at, method, grid, rounding)


def _one_of(what: str, value: str, known: dict[str, str]) -> str:
    if value not in known:
        raise LayerError(f"{what}: got {value!r}, wanted one of {', '.join(known)}")
    return known[value]


def _factors(value: Any) -> list[float] | None:
    """The numbers of a constant; None where it is absent or empty."""
    if value is None:
        return None
    if isinstance(value, list):
        numbers = np.array(value, np.float32)
    elif isinstance(value, Constant) and value.read is not None:
        numbers = value.read()
    else:
        raise LayerError("a size or scale depends on the input's values")
    # the shortest decimal that is this number: 1/3 of 32 bits is no fraction of 3
    return [float(str(n)) for n in numbers.ravel()] or None


def _scaled_size(n: int, scale: float) -> int:
    """The output's size, in numbers of 32 bits as runtimes compute it."""
    if not 0 < scale <= LARGEST_SCALE:
        raise LayerError(f"scales: got {scale}, wanted a positive number up to {LARGEST_SCALE}")
    return math.floor(np.float32(scale) * np.float32(n))


def _kept_aspect(
    c: Call, x: Traced, at: Sequence[int], sizes: list[int], policy: str
) -> list[int]:
    """Sizes, of which one gives way where the picture's proportions are kept."""
    if policy == "stretch":
        return sizes
    ratios = [Fraction(m, x.shape[d]) for d, m in zip(at, sizes, strict=True)]
    if len(set(ratios)) > 1:
        raise LayerError(f"{c.op}: keep_aspect_ratio_policy {policy!r} is not supported")
    return sizes


def _scaled(
    c: Call,
    x: Traced,
    factors: Sequence[float],
    at: Sequence[int],
    mode: str,
    grid: str,
    rounding: str,
) -> Traced:
    """Resizing by factors; one that is the nearest number to a fraction is that fraction."""
    if len(factors) != len(at):
        raise LayerError(f"scales: got {list(factors)}, wanted {len(at)} of them")
    target: list[int] = list(x.shape)
    ratios: list[float | None] = [None] * x.ndim
    for d, s in zip(at, factors, strict=True):
        target[d] = _scaled_size(x.shape[d], s)
    sizes_rounded = any(
        abs(s * x.shape[d] - target[d]) > 1e-4 for d, s in zip(at, factors, strict=True)
    )
    if sizes_rounded and grid != "align_corners":
        for d, s in zip(at, factors, strict=True):
            ratios[d] = None if s == 1 else s
    return _to_sizes(c, x, target, ratios, mode, grid, rounding)


def _to_sizes(
    c: Call,
    x: Traced,
    target: Sequence[int],
    ratios: Sequence[float | None] | None,
    mode: str,
    grid: str,
    rounding: str,
) -> Traced:
    """Resize the dimensions that change; a layer for each kind of grid among them."""
    if len(target) != x.ndim or min(target) < 1:
        raise LayerError(f"sizes: got {list(target)}, wanted {x.ndim} positive numbers")
    ratios = ratios or [None] * x.ndim
    changed = [d for d in range(x.ndim) if target[d] != x.shape[d] or ratios[d] is not None]
    if not changed:
        return x
    # an output of one position lies at the first one, by PyTorch's rule
    first = [d for d in changed if grid == "pytorch_half_pixel" and target[d] == 1]
    grid = "half_pixel" if grid == "pytorch_half_pixel" else grid
    rest = [d for d in changed if d not in first]
    for part, placed in ((first, "asymmetric"), (rest, grid)):
        if part:
            x = _resize(c, x, part, target, ratios, mode, placed, rounding)
    return x


def _resize(
    c: Call,
    x: Traced,
    changed: Sequence[int],
    target: Sequence[int],
    ratios: Sequence[float | None],
    mode: str,
    grid: str,
    rounding: str,
) -> Traced:
    x = c.t.real(x)
    spatial = [d for d in range(x.ndim) if d in changed or any(map(is_spatial, x.dims[d]))]
    read = arrange(c.t, x, None, spatial)
    params: dict[str, Any] = {"mode": None if mode == "nearest" else mode}
    plain = "asymmetric" if mode == "nearest" else "half_pixel"
    if grid == "align_corners" and mode != "nearest":
        params["align_corners"] = True
    elif grid != plain:
        params["coordinates"] = grid
    if mode == "nearest" and rounding != "floor":
        params["rounding"] = rounding
    whole_scales: list[Any] = []
    for d in spatial:
        n, m = x.shape[d], target[d] if d in changed else x.shape[d]
        exact = ratios[d] if d in changed else None
        whole_scales.append(exact if exact is not None else (m // n if m % n == 0 else None))
    for axis, d in zip(read.axes, spatial, strict=True):
        if axis is None and d in changed:
            raise cannot(f"resizing dimension {d}, which has no axis of its own", x)
    if None not in whole_scales and grid != "align_corners":
        made = c.t.add("upsample", read.map, scale=read.per_axis(whole_scales, 1), **params)
    else:
        sizes = [target[d] if d in changed else x.shape[d] for d in spatial]
        size = [
            next((m for a, m in zip(read.axes, sizes, strict=True) if a == axis), n)
            for axis, n in enumerate(read.map.shape)
        ]
        tidy_size = size[0] if len(set(size)) == 1 else size
        made = c.t.add("upsample", read.map, size=tidy_size, **params)
    found = read.result(made)
    if any(found.shape[d] != target[d] for d in changed):
        raise LayerError(f"{c.op}: makes {found.shape}, wanted {tuple(target)}")
    return found


def unpooled(
    c: Call,
    x: Traced,
    indices: Any,
    output_shape: Any = None,
    *,
    kernel_shape: Sequence[int],
    strides: Numbers = None,
    pads: Numbers = None,
) -> Traced:
    """MaxUnpool: a position gets the value of the window that it was the largest of."""
    n = len(kernel_shape)
    stride, pairs = per_axis(strides, n, "strides"), sides(pads, n)
    sizes = [
        (m - 1) * s + k - b - a
        for m, s, k, (b, a) in zip(x.shape[2:], stride, kernel_shape, pairs, strict=True)
    ]
    if isinstance(output_shape, Constant) and output_shape.read is not None:
        sizes = [int(m) for m in output_shape.read().tolist()[-n:]]
    return _to_sizes(c, x, [*x.shape[:2], *sizes], None, "nearest", "asymmetric", "floor")
