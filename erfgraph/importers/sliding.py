"""Layers that slide a window over positions: convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph.errors import LayerError
from erfgraph.importers.arrange import Arranged, arrange
from erfgraph.importers.tracer import Tracer
from erfgraph.importers.trained import of_window
from erfgraph.importers.values import Numbers, Traced


def window(
    t: Tracer,
    v: Traced,
    op: str,
    *,
    channel: int = 1,
    spatial: Sequence[int] | None = None,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Any = None,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
    features: int | None = None,
    weight: Numbers | None = None,
    **extra: Any,
) -> Traced:
    """A convolution or pool over the spatial dimensions of a tensor.

    Parameters
    ----------
    t : Tracer
    v : Traced
    op : str
        Name of the `Network` method.
    channel : int, optional
    spatial : sequence of int, optional
        Default all dimensions behind the channels'.
    kernel, stride, dilation : sequence of int
        One per spatial dimension.
    padding : str or sequence, optional
        A mode, or a number or a (before, after) pair per spatial dimension.
    groups, features : int, optional
        Groups and output channels of a convolution.
    weight : callable, optional
        Gives its trained weight, laid out as PyTorch's.
    **extra
        Passed on to the method; a list has one entry per spatial dimension.

    Returns
    -------
    Traced
    """
    spatial = range(channel + 1, v.ndim) if spatial is None else spatial
    n = len(spatial)
    read = arrange(t, v, channel, spatial)
    padding = [0] * n if padding is None else padding
    dilation = [1] * n if dilation is None else dilation
    if not isinstance(padding, str):
        padding = [p if isinstance(p, int) else tuple(p) for p in padding]
        if any(not isinstance(p, int) for p in padding):
            padding = [(p, p) if isinstance(p, int) else p for p in padding]
    for i, axis in enumerate(read.axes):
        if axis is None:
            pad = padding if isinstance(padding, str) else padding[i]
            _check_missing_axis(read, op, kernel[i], stride[i], pad, dilation[i])
    params: dict[str, Any] = {
        "kernel": read.per_axis(kernel, 1),
        "stride": read.per_axis(stride, 1),
        "dilation": read.per_axis(dilation, 1),
    }
    if isinstance(padding, str):
        params["padding"] = padding
    else:
        plain = 0 if all(isinstance(p, int) for p in padding) else (0, 0)
        params["padding"] = read.per_axis(padding, plain)
    if features is not None:
        params["groups"] = groups * read.groups
        params["channels"] = features * read.groups
    for key, value in extra.items():
        params[key] = read.per_axis(value, 0) if isinstance(value, list) else value
    made = t.add(op, read.map, **params)
    taps = [0] * n
    if not isinstance(padding, str):
        pads = [p if isinstance(p, int) else p[0] for p in padding]
        taps = [p // d for p, d in zip(pads, dilation, strict=True)]
    elif padding != "valid":
        taps = [(k - 1) // 2 for k in kernel]
    t.weigh(made, of_window(weight, read.axes, len(read.map.shape), read.groups, taps))
    return read.result(made)


def _check_missing_axis(
    read: Arranged, op: str, kernel: int, stride: int, pad: Any, dilation: int
) -> None:
    """A dimension of size 1 beyond the network's axes: it must stay 1, and be read once."""
    if isinstance(pad, str):
        before = 0 if pad == "valid" else (dilation * (kernel - 1)) // 2
        after = 0 if pad == "valid" else dilation * (kernel - 1) - before
    else:
        before, after = (pad, pad) if isinstance(pad, int) else pad
    span = dilation * (kernel - 1) + 1
    size = span - before - after if op == "conv_transpose" else 1 + before + after - span + 1
    once = before % dilation == 0 and before // dilation < kernel
    if op != "conv_transpose":
        size = (size - 1) // stride + 1
    if size != 1 or not once:
        raise LayerError(
            f"a layer over {len(read.axes)} spatial dimensions, of which the network has "
            f"{len(read.map.shape)}"
        )


def pads_any(
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Any,
    dilation: Sequence[int] | None = None,
) -> bool:
    """Whether padding as `window` takes it puts anything around positions."""
    if not isinstance(padding, str):
        return any(any(p) if isinstance(p, list | tuple) else p for p in padding or ())
    if padding == "valid":
        return False
    spans = zip(shape, kernel, stride, dilation or [1] * len(shape), strict=True)
    return any((-(-n // s) - 1) * s + (k - 1) * d + 1 > n for n, k, s, d in spans)
