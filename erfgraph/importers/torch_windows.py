"""PyTorch's convolutions, pools, resizing and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from erfgraph.errors import LayerError
from erfgraph.importers import contract as sums
from erfgraph.importers import moves
from erfgraph.importers.arrange import apart, arrange, is_plain
from erfgraph.importers.concat import pad
from erfgraph.importers.rows import (
    Call,
    Ints,
    Result,
    Row,
    each,
)
from erfgraph.importers.sliding import window
from erfgraph.importers.tracer import cannot, tidy
from erfgraph.importers.trained import numbers_of, then
from erfgraph.importers.values import Constant, Traced

PAD_MODES = {
    "constant": "zeros",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}


def convolution(
    c: Call,
    x: Traced,
    weight: Traced | Constant,
    bias: Any = None,
    stride: Ints = 1,
    padding: Any = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Traced:
    """conv1d, conv2d, conv3d."""
    n = len(weight.shape) - 2
    spatial = range(x.ndim - n, x.ndim)
    if any(a.axis < 0 for d in spatial for a in x.dims[d]):  # a pixel shuffle before it
        x = apart(c.t, x)
    plain = x.keys is None and is_plain(x, spatial)
    if not plain and groups == 1 and _pointwise(weight.shape[2:], stride, padding):
        # over positions in any arrangement, attention weights among them
        matrix = then(numbers_of(weight), lambda w: w.reshape(w.shape[:2]))
        return sums.contract(c.t, x, [x.ndim - n - 1], "linear", weight.shape[0], matrix)
    pads = padding if isinstance(padding, str) else each(padding, n)
    return window(
        c.t,
        x,
        "conv",
        channel=x.ndim - n - 1,
        kernel=weight.shape[2:],
        stride=each(stride, n, 1),
        padding=pads,
        dilation=each(dilation, n, 1),
        groups=groups,
        features=weight.shape[0],
        weight=numbers_of(weight),
    )


def _pointwise(kernel: Sequence[int], stride: Ints, padding: Any) -> bool:
    n = len(kernel)
    still = isinstance(padding, str) or not any(each(padding, n))
    return math.prod(kernel) == 1 and each(stride, n, 1) == [1] * n and still


def transposed(
    c: Call,
    x: Traced,
    weight: Traced | Constant,
    bias: Any = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Traced:
    """conv_transpose1d, 2d, 3d."""
    n = len(weight.shape) - 2
    extra = each(output_padding, n)
    return window(
        c.t,
        x,
        "conv_transpose",
        channel=x.ndim - n - 1,
        kernel=weight.shape[2:],
        stride=each(stride, n, 1),
        padding=each(padding, n),
        dilation=each(dilation, n, 1),
        groups=groups,
        features=weight.shape[1] * groups,
        weight=numbers_of(weight),
        output_padding=extra if any(extra) else None,
    )


def patches(
    c: Call, x: Traced, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Traced:
    """im2col: every patch's elements as channels, patches in row-major order.

    Patches that tile the map are its positions rearranged; others are read as a depthwise
    convolution reads them, so that all channels of a patch count as read by each.
    """
    k, s, p, d = (each(v, 2) for v in (kernel, stride, padding, dilation))
    b, channels, *size = x.shape
    if k == s and not any(p) and d == [1, 1]:
        rows, cols = (n // m for n, m in zip(size, k, strict=True))
        for axis, n in ((2, rows * k[0]), (3, cols * k[1])):
            x = moves.take(c.t, x, axis, range(n))
        v = moves.reshape(c.t, x, (b, channels, rows, k[0], cols, k[1]))
        return moves.reshape(c.t, moves.permute(c.t, v, (0, 1, 3, 5, 2, 4)), c.shape)
    made = window(
        c.t,
        x,
        "conv",
        kernel=k,
        stride=s,
        padding=p,
        dilation=d,
        groups=channels,
        features=channels * math.prod(k),
    )
    return moves.reshape(c.t, made, c.shape)


def unpatched(
    c: Call, x: Traced, size: Ints, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints
) -> Traced:
    """col2im: patches added up at their places."""
    k, s, p, d = (each(v, 2) for v in (kernel, stride, padding, dilation))
    b, channels, height, width = c.shape
    spans = [step * (n - 1) + 1 for n, step in zip(k, d, strict=True)]
    rows, cols = (
        (n + 2 * pad - span) // step + 1
        for n, pad, span, step in zip((height, width), p, spans, s, strict=True)
    )
    if k == s and not any(p) and d == [1, 1] and (rows * k[0], cols * k[1]) == (height, width):
        v = moves.reshape(c.t, x, (b, channels, k[0], k[1], rows, cols))
        return moves.reshape(c.t, moves.permute(c.t, v, (0, 1, 4, 2, 5, 3)), c.shape)
    v = moves.reshape(c.t, x, (b, channels * math.prod(k), rows, cols))
    made = window(
        c.t,
        v,
        "conv_transpose",
        kernel=k,
        stride=s,
        padding=p,
        dilation=d,
        groups=channels,
        features=channels,
    )
    return pad(c.t, made, [(0, n - m) for n, m in zip(c.shape, made.shape, strict=True)])


def any_convolution(
    c: Call,
    x: Traced,
    weight: Traced | Constant,
    bias: Any,
    stride: Ints,
    padding: Ints,
    dilation: Ints,
    is_transposed: bool,
    output_padding: Ints,
    groups: int,
    *flags: bool,
) -> Traced:
    """convolution, to which all others decompose."""
    if is_transposed:
        return transposed(c, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return convolution(c, x, weight, bias, stride, padding, dilation, groups)


def _pool(
    c: Call,
    x: Traced,
    n: int,
    op: str,
    kernel: Ints,
    stride: Ints | None,
    padding: Ints,
    dilation: Ints,
    ceil_mode: bool,
    only_inside: bool = False,
) -> Traced:
    sizes = each(kernel, n)
    spatial = range(x.ndim - n, x.ndim)
    tiled = sizes == (each(stride, n) if stride else sizes) and not any(each(padding, n))
    whole = all(x.shape[d] % k == 0 for d, k in zip(spatial, sizes, strict=True))
    if tiled and whole and each(dilation, n, 1) == [1] * n and not is_plain(x, spatial):
        return sums.tiles(c.t, x, spatial, sizes, op)
    return window(
        c.t,
        x,
        op,
        channel=x.ndim - n - 1,
        kernel=sizes,
        stride=each(stride, n) if stride else sizes,
        padding=each(padding, n),
        dilation=each(dilation, n, 1),
        ceil_mode=ceil_mode or None,
        count_include_pad=False if only_inside and any(each(padding, n)) else None,
    )


def max_pool(n: int, with_indices: bool = False) -> Row:
    """max_pool1d, 2d, 3d, and the forms that return indices too."""

    def row(
        c: Call,
        x: Traced,
        kernel: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        ceil_mode: bool = False,
    ) -> Result:
        made = _pool(c, x, n, "max_pool", kernel, stride, padding, dilation, ceil_mode)
        return [made, Constant(made.shape)] if with_indices else made

    return row


def avg_pool(n: int) -> Row:
    """avg_pool1d, 2d, 3d."""

    def row(
        c: Call,
        x: Traced,
        kernel: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        *args: Any,
        **kwargs: Any,
    ) -> Traced:
        inside = not count_include_pad
        return _pool(c, x, n, "avg_pool", kernel, stride, padding, 1, ceil_mode, inside)

    return row


def adaptive_pool(n: int, with_indices: bool = False) -> Row:
    """adaptive_avg_pool and adaptive_max_pool."""

    def row(c: Call, x: Traced, size: Ints) -> Result:
        spatial = range(x.ndim - n, x.ndim)
        if max(each(size, n)) == 1 and not is_plain(x, spatial):  # of tokens, all of them
            pooled = sums.contract(c.t, x, spatial, "max_pool" if with_indices else "avg_pool")
            return [pooled, Constant(pooled.shape)] if with_indices else pooled
        read = arrange(c.t, x, x.ndim - n - 1, spatial)
        sizes = list(read.map.shape)
        for axis, wanted in zip(read.axes, each(size, n), strict=True):
            if axis is not None:
                sizes[axis] = wanted
            elif wanted != 1:
                raise cannot(f"a pool to {wanted} positions on an axis that there is not", x)
        if max(sizes) == 1:
            made = read.result(c.t.add("global_pool", read.map))
        else:
            made = read.result(c.t.add("adaptive_pool", read.map, size=tidy(sizes)))
        return [made, Constant(made.shape)] if with_indices else made

    return row


def max_unpool(c: Call, x: Traced, indices: Any, size: Ints, *args: Any) -> Traced:
    """max_unpool: a position gets the value of the window that it was the largest of."""
    return _resize(
        c, x, "nearest", None, False, list(size) if not isinstance(size, int) else [size]
    )


# --- resizing -----------------------------------------------------------------------------


def _resize(
    c: Call, x: Traced, mode: str, scales: Sequence[float] | None, align: bool, size: Any = None
) -> Traced:
    n = len(size) if size else len(scales or ())
    spatial = range(x.ndim - n, x.ndim)
    read = arrange(c.t, x, x.ndim - n - 1, spatial)
    wanted = list(c.shape[-n:])
    params: dict[str, Any] = {"mode": None if mode == "nearest" else mode}
    params["align_corners"] = align or None
    exact = scales is not None and all(
        math.floor(m * s) == k for m, s, k in zip(x.shape[-n:], scales, wanted, strict=True)
    )
    if exact and scales is not None and None not in read.axes and not align:
        numbers = [int(s) if float(s).is_integer() else s for s in scales]
        made = c.t.add("upsample", read.map, scale=read.per_axis(numbers, 1), **params)
        return read.result(made)
    sizes = list(read.map.shape)
    for axis, m in zip(read.axes, wanted, strict=True):
        if axis is not None:
            sizes[axis] = m
        elif m != 1:
            raise cannot("resizing along an axis that there is not", x)
    return read.result(c.t.add("upsample", read.map, size=tidy(sizes), **params))


def nearest(mode: str = "nearest") -> Row:
    """upsample_nearest, in both of its overloads."""

    def row(c: Call, x: Traced, size: Any = None, *scales: Any, **named: Any) -> Traced:
        return _resize(c, x, mode, _scales(scales, named), False, size)

    return row


def interpolated(mode: str) -> Row:
    """upsample_linear, _bilinear, _trilinear, _bicubic."""

    def row(
        c: Call,
        x: Traced,
        size: Any = None,
        align_corners: bool = False,
        *scales: Any,
        **named: Any,
    ) -> Traced:
        return _resize(c, x, mode, _scales(scales, named), align_corners, size)

    return row


def antialiased(mode: str) -> Row:
    """Resizing with antialiasing, which differs from that without it only where it shrinks."""
    plain = interpolated(mode)

    def row(c: Call, x: Traced, *args: Any, **named: Any) -> Result:
        if any(m < n for n, m in zip(x.shape, c.shape, strict=True)):
            raise LayerError(f"{c.op}: shrinking with antialiasing is not supported")
        return plain(c, x, *args, **named)

    return row


def _scales(given: Sequence[Any], named: dict[str, Any]) -> list[float] | None:
    """Scale factors of either overload: one list, or a number per axis."""
    values = [*given, *(v for k, v in named.items() if k.startswith("scale"))]
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = list(values[0])
    return [float(v) for v in values] if values and None not in values else None


# --- padding ------------------------------------------------------------------------------


def padded(
    c: Call, x: Traced, pads: Sequence[int], mode: str = "constant", *value: Any
) -> Traced | Constant:
    """pad: pairs from the last dimension on."""
    pairs = list(zip(pads[::2], pads[1::2], strict=True))
    sides = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    if any(n + min(a, 0) + min(b, 0) <= 0 for n, (a, b) in zip(x.shape, sides, strict=True)):
        return Constant(c.shape)  # nothing is left but what was put around it
    return pad(c.t, x, sides, PAD_MODES[mode])


def padded_by(mode: str) -> Row:
    """reflection_pad, replication_pad and the like."""

    def row(c: Call, x: Traced, pads: Sequence[int], *value: Any) -> Result:
        return padded(c, x, pads, mode)

    return row
