"""ONNX's convolutions, pools and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers.arrange import arrange, window
from erfgraph.importers.concat import pad
from erfgraph.importers.layout import is_spatial
from erfgraph.importers.merging import combine
from erfgraph.importers.rows import Call, Result, Row
from erfgraph.importers.tracer import cannot
from erfgraph.importers.values import Constant, Traced

Pads = str | list[Any]
Numbers = Sequence[int] | None
AUTO_PADS = {"SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}
MOST_CHANNELS = 1 << 20


def sides(pads: Numbers, n: int) -> list[tuple[int, int]]:
    """(before, after) per axis from ONNX's list: all before, then all after."""
    if not pads:
        return [(0, 0)] * n
    if len(pads) != 2 * n:
        raise LayerError(f"pads: got {list(pads)}, wanted {2 * n} numbers")
    return [(pads[i], pads[i + n]) for i in range(n)]


def padding(auto_pad: str, pads: Numbers, n: int) -> Pads:
    """Padding as `Network` takes it."""
    if auto_pad in ("", "NOTSET"):
        pairs = sides(pads, n)
        return [b for b, _ in pairs] if all(b == a for b, a in pairs) else list(pairs)
    if auto_pad not in AUTO_PADS:
        raise LayerError(f"auto_pad: got {auto_pad!r}, wanted NOTSET or {', '.join(AUTO_PADS)}")
    return AUTO_PADS[auto_pad]


def per_axis(values: Numbers, n: int, what: str) -> list[int]:
    """One number per spatial axis; default 1."""
    if not values:
        return [1] * n
    if len(values) != n:
        raise LayerError(f"{what}: got {list(values)}, wanted {n} numbers, one per spatial axis")
    return list(values)


def kernel_of(c: Call, x: Traced, weight: Any, kernel_shape: Numbers) -> list[int]:
    """The spatial shape of a convolution's weights."""
    if not isinstance(weight, Constant):
        raise LayerError(f"{c.op}: weights that depend on the input are not supported")
    if len(weight.shape) != x.ndim or x.ndim < 3:
        raise LayerError(f"{c.op}: an input of shape {x.shape} and weights of {weight.shape}")
    kernel = list(weight.shape[2:])
    if kernel_shape and list(kernel_shape) != kernel:
        raise LayerError(f"kernel_shape: got {list(kernel_shape)}, but the weights have {kernel}")
    return kernel


def convolution(
    c: Call,
    x: Traced,
    weight: Any,
    bias: Any = None,
    *,
    kernel_shape: Numbers = None,
    strides: Numbers = None,
    pads: Numbers = None,
    dilations: Numbers = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
    **_: Any,
) -> Traced:
    """Conv."""
    kernel = kernel_of(c, x, weight, kernel_shape)
    n = len(kernel)
    if group < 1 or x.shape[1] != weight.shape[1] * group or weight.shape[0] > MOST_CHANNELS:
        raise LayerError(
            f"{c.op}: an input of {x.shape[1]} channels and weights of shape {weight.shape} in "
            f"{group} groups"
        )
    return window(
        c.t,
        x,
        "conv",
        kernel=kernel,
        stride=per_axis(strides, n, "strides"),
        padding=padding(auto_pad, pads, n),
        dilation=per_axis(dilations, n, "dilations"),
        groups=group,
        features=weight.shape[0],
    )


def quantised(
    c: Call, x: Traced, s: Any, z: Any, weight: Any, *rest: Any, **attributes: Any
) -> Traced:
    """QLinearConv: scales and zero points beside each tensor."""
    return convolution(c, x, weight, **attributes)


def of_integers(c: Call, x: Traced, weight: Any, *zeros: Any, **attributes: Any) -> Traced:
    """ConvInteger."""
    return convolution(c, x, weight, **attributes)


def fused(
    c: Call, x: Any, weight: Any, bias: Any = None, added: Any = None, **attributes: Any
) -> Result:
    """com.microsoft.FusedConv: an activation, and maybe a sum before it."""
    made = convolution(c, x, weight, **attributes)
    return made if added is None else combine(c.t, "add", made, added)


def transposed(
    c: Call,
    x: Traced,
    weight: Any,
    bias: Any = None,
    *,
    kernel_shape: Numbers = None,
    strides: Numbers = None,
    pads: Numbers = None,
    dilations: Numbers = None,
    output_padding: Numbers = None,
    output_shape: Numbers = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
) -> Traced:
    """ConvTranspose."""
    kernel = kernel_of(c, x, weight, kernel_shape)
    n = len(kernel)
    stride, dilation = per_axis(strides, n, "strides"), per_axis(dilations, n, "dilations")
    extra = list(output_padding) if output_padding else [0] * n
    features = weight.shape[1] * group
    if group < 1 or x.shape[1] != weight.shape[0] or features > MOST_CHANNELS:
        raise LayerError(
            f"{c.op}: an input of {x.shape[1]} channels and weights of shape {weight.shape}"
        )
    pairs = sides(pads, n) if auto_pad in ("", "NOTSET") else [(0, 0)] * n
    if output_shape or auto_pad.startswith("SAME"):
        wanted = [m * s for m, s in zip(x.shape[2:], stride, strict=True)]
        wanted = list(output_shape)[-n:] if output_shape else wanted
        totals = [
            (m - 1) * s + e + (k - 1) * d + 1 - w
            for m, s, e, k, d, w in zip(
                x.shape[2:], stride, extra, kernel, dilation, wanted, strict=True
            )
        ]
        first = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in map(_least0, totals)]
        pairs = [(b, _least0(t) - b) for b, t in zip(first, totals, strict=True)]
        extra = [e + max(-t, 0) for e, t in zip(extra, totals, strict=True)]
    # output padding beyond a stride is more than the layer takes: those units read nothing
    inner = [min(e, max(s, d) - 1) for e, s, d in zip(extra, stride, dilation, strict=True)]
    made = window(
        c.t,
        x,
        "conv_transpose",
        kernel=kernel,
        stride=stride,
        padding=[b for b, _ in pairs] if all(b == a for b, a in pairs) else pairs,
        dilation=dilation,
        groups=group,
        features=features,
        output_padding=inner if any(inner) else None,
    )
    rest = [(0, e - i) for e, i in zip(extra, inner, strict=True)]
    return pad(c.t, made, [(0, 0), (0, 0), *rest])


def _least0(n: int) -> int:
    return max(n, 0)


def pool(op: str) -> Row:
    """MaxPool, AveragePool, LpPool."""

    def row(
        c: Call,
        x: Traced,
        *,
        kernel_shape: Sequence[int],
        strides: Numbers = None,
        pads: Numbers = None,
        dilations: Numbers = None,
        ceil_mode: int = 0,
        auto_pad: str = "NOTSET",
        **_: Any,
    ) -> Traced:
        n = len(kernel_shape)
        if x.ndim != n + 2:
            raise LayerError(f"{c.op}: a kernel {list(kernel_shape)} on a tensor of {x.shape}")
        return window(
            c.t,
            x,
            op,
            kernel=list(kernel_shape),
            stride=per_axis(strides, n, "strides"),
            padding=padding(auto_pad, pads, n),
            dilation=per_axis(dilations, n, "dilations"),
            ceil_mode=True if ceil_mode and auto_pad in ("", "NOTSET", "VALID") else None,
        )

    return row


def pooled_whole(c: Call, x: Traced, **_: Any) -> Traced:
    """GlobalAveragePool, GlobalMaxPool, GlobalLpPool."""
    read = arrange(c.t, x, 1, range(2, x.ndim))
    return read.result(c.t.add("global_pool", read.map))


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


# --- resizing -----------------------------------------------------------------------------

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
    given = attributes.get("scales")
    factors = _factors(scales) if given is None else [float(s) for s in given]
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
        new = [math.floor(np.float32(s) * x.shape[d]) for d, s in zip(at, factors, strict=True)]
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
    if not isinstance(value, Constant) or value.read is None:
        raise LayerError("a size or scale depends on the input's values")
    numbers = value.read()
    # the shortest decimal that is this number: 1/3 of 32 bits is no fraction of 3
    return [float(str(n)) for n in numbers.ravel()] or None


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
    if len(factors) != len(at) or not all(0 < s <= 1 << 20 for s in factors):
        raise LayerError(f"scales: got {list(factors)}, wanted {len(at)} positive numbers")
    target: list[int] = list(x.shape)
    ratios: list[float | None] = [None] * x.ndim
    for d, s in zip(at, factors, strict=True):
        target[d] = math.floor(np.float32(s) * np.float32(x.shape[d]))
        if abs(s * x.shape[d] - target[d]) > 1e-4:  # the size was rounded
            ratios[d] = s
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
    elif any(ratios[d] is not None for d in changed):
        raise LayerError(f"{c.op}: scales of which some are rounded and others are fractions")
    else:
        sizes = [target[d] if d in changed else x.shape[d] for d in spatial]
        size = [
            next((m for a, m in zip(read.axes, sizes, strict=True) if a == axis), n)
            for axis, n in enumerate(read.map.shape)
        ]
        tidy_size = size[0] if len(set(size)) == 1 else size
        made = c.t.add("upsample", read.map, size=tidy_size, **params)
    return read.result(made)
