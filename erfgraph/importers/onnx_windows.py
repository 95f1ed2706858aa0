"""ONNX's convolutions, pools and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph.errors import LayerError
from erfgraph.importers.arrange import arrange
from erfgraph.importers.concat import pad
from erfgraph.importers.merging import combine
from erfgraph.importers.onnx_elementwise import fused_with
from erfgraph.importers.rows import Call, Result, Row
from erfgraph.importers.sliding import pads_any, window
from erfgraph.importers.trained import numbers_of
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
        weight=numbers_of(weight),
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
    c: Call,
    x: Any,
    weight: Any,
    bias: Any = None,
    added: Any = None,
    *,
    activation: str = "",
    activation_params: Sequence[float] = (),
    **attributes: Any,
) -> Result:
    """com.microsoft.FusedConv: an activation, and maybe a sum before it."""
    made = convolution(c, x, weight, **attributes)
    total = made if added is None else combine(c.t, "add", made, added)
    found: Result = c.t.through(total, fused_with(activation, activation_params))
    return found


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
        weight=numbers_of(weight),
        output_padding=inner if any(inner) else None,
    )
    rest = [(0, e - i) for e, i in zip(extra, inner, strict=True)]
    return pad(c.t, made, [(0, 0), (0, 0), *rest])


def _least0(n: int) -> int:
    return max(n, 0)


def pool(op: str, averages: bool = True) -> Row:
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
        count_include_pad: int = 0,
        **_: Any,
    ) -> Traced:
        n = len(kernel_shape)
        if x.ndim != n + 2:
            raise LayerError(f"{c.op}: a kernel {list(kernel_shape)} on a tensor of {x.shape}")
        stride, spacing = per_axis(strides, n, "strides"), per_axis(dilations, n, "dilations")
        around = padding(auto_pad, pads, n)
        inside = op == "avg_pool" and averages and not count_include_pad
        padded = pads_any(x.shape[2:], kernel_shape, stride, around, spacing)
        return window(
            c.t,
            x,
            op,
            kernel=list(kernel_shape),
            stride=stride,
            padding=around,
            dilation=spacing,
            ceil_mode=True if ceil_mode and auto_pad in ("", "NOTSET", "VALID") else None,
            count_include_pad=False if inside and padded else None,
        )

    return row


def pooled_whole(c: Call, x: Traced, **_: Any) -> Traced:
    """GlobalAveragePool, GlobalMaxPool, GlobalLpPool."""
    read = arrange(c.t, x, 1, range(2, x.ndim))
    return read.result(c.t.add("global_pool", read.map))
