"""Keras' convolutions, pools, resizing, padding and cropping: layers and `keras.ops` alike.

Rows take the call, the layer or operation, and what it is called on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph.errors import LayerError
from erfgraph.importers import concat, contract, moves
from erfgraph.importers.arrange import Arranged, arrange
from erfgraph.importers.keras_formats import (
    as_depthwise,
    as_matrix,
    as_torch,
    channel_of,
    constant_of,
    spatial_of,
)
from erfgraph.importers.rows import Call, Row, each
from erfgraph.importers.sliding import pads_any, window
from erfgraph.importers.tracer import cannot, tidy
from erfgraph.importers.trained import then
from erfgraph.importers.values import Constant, Traced


def _window(
    c: Call,
    layer: Any,
    x: Traced,
    op: str,
    kernel: Any,
    strides: Any,
    padding: Any,
    dilation: Any = 1,
    **extra: Any,
) -> Traced:
    n = x.ndim - 2
    kernel, dilation = each(kernel, n), each(dilation, n, 1)
    if padding == "causal":
        padding = [(d * (k - 1), 0) for k, d in zip(kernel, dilation, strict=True)]
    return window(
        c.t,
        x,
        op,
        channel=channel_of(layer, x),
        spatial=spatial_of(layer, x),
        kernel=kernel,
        stride=each(strides, n, 1),
        padding=None if padding == "valid" else padding,
        dilation=dilation,
        **extra,
    )


# --- convolutions -------------------------------------------------------------------------


def convolution(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Conv1D, Conv2D, Conv3D."""
    return _window(
        c,
        layer,
        x,
        "conv",
        layer.kernel_size,
        layer.strides,
        layer.padding,
        layer.dilation_rate,
        groups=layer.groups,
        features=layer.filters,
        weight=as_torch(constant_of(layer, "kernel")),
    )


def depthwise(c: Call, layer: Any, x: Traced, *, kernel: str = "kernel", **kwargs: Any) -> Traced:
    """DepthwiseConv1D, DepthwiseConv2D."""
    channels = x.shape[channel_of(layer, x)]
    return _window(
        c,
        layer,
        x,
        "conv",
        layer.kernel_size,
        layer.strides,
        layer.padding,
        layer.dilation_rate,
        groups=channels,
        features=channels * layer.depth_multiplier,
        weight=as_depthwise(constant_of(layer, kernel)),
    )


def separable(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """SeparableConv1D, SeparableConv2D: a depthwise convolution, then one of 1x1."""
    with c.t.named(f"{c.t.name}.depthwise"):
        made = depthwise(c, layer, x, kernel="depthwise_kernel")
    weight = then(as_torch(constant_of(layer, "pointwise_kernel")), as_matrix)
    return contract.linear(c.t, made, layer.filters, channel_of(layer, made), weight)


def transposed(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose."""
    return _transposed(
        c,
        layer,
        x,
        layer.kernel_size,
        layer.filters,
        layer.strides,
        layer.dilation_rate,
        constant_of(layer, "kernel"),
    )


def _transposed(
    c: Call,
    layer: Any,
    x: Traced,
    kernel: Any,
    features: int,
    strides: Any,
    dilation: Any,
    weight: Constant | None = None,
) -> Traced:
    n = x.ndim - 2
    extras = getattr(layer, "output_padding", None)
    given = [
        _trimmed((k - 1) * d + 1, s, layer.padding, e)
        for k, s, d, e in zip(
            each(kernel, n),
            each(strides, n, 1),
            each(dilation, n, 1),
            [None] * n if extras is None else each(extras, n),
            strict=True,
        )
    ]
    made = _window(
        c,
        layer,
        x,
        "conv_transpose",
        kernel,
        strides,
        [(before, max(after, 0)) for before, after in given],
        dilation,
        features=features,
        weight=as_torch(weight),  # (in, out, *kernel), as it is of a transposed one
    )
    sides = [(0, 0)] * x.ndim
    for d, (_, after) in zip(spatial_of(layer, x), given, strict=True):
        sides[d] = (0, max(-after, 0))  # positions at the end that nothing reaches
    if not any(map(any, sides)):
        return made
    with c.t.named(f"{c.t.name}.pad"):
        return concat.pad(c.t, made, sides)


def _trimmed(kernel: int, stride: int, padding: str, extra: int | None) -> tuple[int, int]:
    """Positions taken from each end of all that a transposed convolution reaches.

    As Keras has it on every backend: ``"same"`` makes ``n * stride`` positions, or
    ``(n - 1) * stride + kernel % 2 + output_padding``.
    """
    if padding == "valid":
        return 0, -(max(stride - kernel, 0) if extra is None else extra)
    total = stride + kernel - 2 if extra is None else kernel + kernel % 2 - 2 + extra
    left = min(total // 2 + total % 2, kernel - 1)
    return kernel - 1 - left, kernel - 1 - (total - left)


def op_convolution(c: Call, op: Any, x: Traced, kernel: Any, **kwargs: Any) -> Traced:
    """ops.conv; the kernel's shape is (*window, channels of a group, channels made)."""
    *size, inside, features = _weights(c, kernel)
    groups = x.shape[channel_of(op, x)] // inside
    return _window(
        c,
        op,
        x,
        "conv",
        size,
        op.strides,
        op.padding,
        op.dilation_rate,
        groups=groups,
        features=features,
        weight=as_torch(kernel),
    )


def op_depthwise(c: Call, op: Any, x: Traced, kernel: Any, **kwargs: Any) -> Traced:
    """ops.depthwise_conv; the kernel's shape is (*window, channels, multiplier)."""
    *size, channels, times = _weights(c, kernel)
    return _window(
        c,
        op,
        x,
        "conv",
        size,
        op.strides,
        op.padding,
        op.dilation_rate,
        groups=channels,
        features=channels * times,
        weight=as_depthwise(kernel),
    )


def op_separable(c: Call, op: Any, x: Traced, kernel: Any, pointwise: Any) -> Traced:
    """ops.separable_conv."""
    with c.t.named(f"{c.t.name}.depthwise"):
        made = op_depthwise(c, op, x, kernel)
    features = _weights(c, pointwise)[-1]
    weight = then(as_torch(pointwise), as_matrix)
    return contract.linear(c.t, made, features, channel_of(op, made), weight)


def op_transposed(c: Call, op: Any, x: Traced, kernel: Any, **kwargs: Any) -> Traced:
    """ops.conv_transpose; the kernel's shape is (*window, channels made, channels read)."""
    *size, features, _ = _weights(c, kernel)
    return _transposed(c, op, x, size, features, op.strides, op.dilation_rate, kernel)


def _weights(c: Call, kernel: Any) -> tuple[int, ...]:
    if not isinstance(kernel, Constant):
        raise LayerError(f"{c.op}: its kernel depends on the input")
    return kernel.shape


# --- pools --------------------------------------------------------------------------------


def pool(how: str) -> Row:
    """MaxPooling1D, AveragePooling2D, ops.max_pool and the like."""

    def row(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
        size = layer.pool_size
        strides = size if layer.strides is None else layer.strides
        n = x.ndim - 2
        shape = [x.shape[d] for d in spatial_of(layer, x)]
        around = pads_any(shape, each(size, n), each(strides, n), layer.padding)
        inside = False if how == "avg_pool" and around else None  # padding is never averaged
        return _window(c, layer, x, how, size, strides, layer.padding, count_include_pad=inside)

    return row


def global_pool(how: str) -> Row:
    """GlobalMaxPooling1D, GlobalAveragePooling2D and the like."""

    def row(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
        spatial = spatial_of(layer, x)
        made = contract.contract(c.t, x, spatial, how)
        return made if layer.keepdims else moves.squeeze(c.t, made, spatial)

    return row


def adaptive_pool(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """AdaptiveAveragePooling2D, ops.adaptive_max_pool: windows as PyTorch has them."""
    spatial = spatial_of(layer, x)
    read = arrange(c.t, x, channel_of(layer, x), spatial)
    sizes = _sizes(read, each(layer.output_size, len(spatial)), x)
    return read.result(c.t.add("adaptive_pool", read.map, size=tidy(sizes)))


def _sizes(read: Arranged, wanted: Sequence[int], x: Traced) -> list[int]:
    """Sizes of the network's axes from those of the spatial dimensions."""
    sizes = list(read.map.shape)
    for axis, n in zip(read.axes, wanted, strict=True):
        if axis is not None:
            sizes[axis] = int(n)
        elif n != 1:
            raise cannot(f"{n} positions on an axis that there is not", x)
    return sizes


# --- padding and cropping -----------------------------------------------------------------


def _pairs(value: Any, n: int) -> list[tuple[int, int]]:
    """(before, after) per dimension, from what the layer holds."""
    values = list(value) if isinstance(value, list | tuple) else [value] * n
    if n == 1 and len(values) == 2 and all(isinstance(v, int) for v in values):
        return [(values[0], values[1])]
    return [(v, v) if isinstance(v, int) else (v[0], v[1]) for v in values]


def zero_padding(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """ZeroPadding1D, ZeroPadding2D, ZeroPadding3D."""
    spatial = spatial_of(layer, x)
    sides = [(0, 0)] * x.ndim
    for d, pair in zip(spatial, _pairs(layer.padding, len(spatial)), strict=True):
        sides[d] = pair
    return concat.pad(c.t, x, sides)


def cropping(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Cropping1D, Cropping2D, Cropping3D."""
    return _cropped(c, layer, x, _pairs(layer.cropping, x.ndim - 2))


def _cropped(c: Call, layer: Any, x: Traced, pairs: Sequence[tuple[int, int]]) -> Traced:
    if not any(map(any, pairs)):
        return x
    read = arrange(c.t, x, channel_of(layer, x), spatial_of(layer, x))
    amount = read.per_axis(pairs, (0, 0))
    return read.result(c.t.add("crop", read.map, amount=amount))


def padded_images(c: Call, op: Any, x: Traced, **kwargs: Any) -> Traced:
    """ops.image.pad_images: what is not given follows from the target's size."""
    return concat.pad(c.t, x, _image_sides(c, op, x, "padding", 1))


def cropped_images(c: Call, op: Any, x: Traced, **kwargs: Any) -> Traced:
    """ops.image.crop_images."""
    sides = _image_sides(c, op, x, "cropping", -1)
    return _cropped(c, op, x, [sides[d] for d in spatial_of(op, x)])


def _image_sides(c: Call, op: Any, x: Traced, what: str, sign: int) -> list[tuple[int, int]]:
    sides = [(0, 0)] * x.ndim
    names = (("top", "bottom"), ("left", "right"))
    for d, (first, last) in zip(spatial_of(op, x), names, strict=True):
        total = sign * (c.shape[d] - x.shape[d])
        before, after = (getattr(op, f"{side}_{what}") for side in (first, last))
        if before is None:
            before = total - after
        sides[d] = (int(before), int(total - before))
    return sides


# --- resizing -----------------------------------------------------------------------------

MODES = {"nearest": "nearest_exact", "bilinear": "linear", "bicubic": "cubic"}


def upsampling(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """UpSampling1D, UpSampling2D, UpSampling3D."""
    how = getattr(layer, "interpolation", "nearest")
    spatial = spatial_of(layer, x)
    read = arrange(c.t, x, channel_of(layer, x), spatial)
    scale = read.per_axis(each(layer.size, len(spatial)), 1)
    mode = None if how == "nearest" else _mode(c, how)
    return read.result(c.t.add("upsample", read.map, scale=scale, mode=mode))


def _mode(c: Call, how: str) -> str:
    if how not in MODES:
        raise LayerError(f"{c.op}: interpolation {how!r} is not supported")
    return MODES[how]


def resized(c: Call, op: Any, x: Traced, **kwargs: Any) -> Traced:
    """Resizing, ops.image.resize."""
    size = getattr(op, "size", None) or (op.height, op.width)
    if op.pad_to_aspect_ratio:
        x = _to_aspect(c, op, x, size, max)
    elif op.crop_to_aspect_ratio:
        x = _to_aspect(c, op, x, size, min)
    return _resized(c, op, x, size, op.interpolation, op.antialias)


def _resized(
    c: Call, op: Any, x: Traced, size: Sequence[int], how: str, antialias: bool
) -> Traced:
    spatial = spatial_of(op, x)
    shrinks = any(m < x.shape[d] for d, m in zip(spatial, size, strict=True))
    if antialias and shrinks and how != "nearest":
        raise LayerError(f"{c.op}: shrinking with antialiasing is not supported")
    if all(m == x.shape[d] for d, m in zip(spatial, size, strict=True)):
        return x
    read = arrange(c.t, x, channel_of(op, x), spatial)
    sizes = tidy(_sizes(read, size, x))
    return read.result(c.t.add("upsample", read.map, size=sizes, mode=_mode(c, how)))


def _to_aspect(c: Call, op: Any, x: Traced, size: Sequence[int], pick: Any) -> Traced:
    """The centre of an image, or the image with a border, of the target's aspect ratio."""
    spatial = spatial_of(op, x)
    height, width = (x.shape[d] for d in spatial)
    wanted = (int(width * size[0] / size[1]), int(height * size[1] / size[0]))
    sides = [(0, 0)] * x.ndim
    for d, m in zip(spatial, wanted, strict=True):
        n = x.shape[d]
        change = max(pick(n, m), 1) - n
        # a border is as wide on both sides, so that an odd one is a position short
        half = int(change / 2)
        sides[d] = (half, half if pick is max else change - half)
    if pick is max:
        with c.t.named(f"{c.t.name}.pad"):
            return concat.pad(c.t, x, sides)
    with c.t.named(f"{c.t.name}.crop"):
        return _cropped(c, op, x, [(-sides[d][0], -sides[d][1]) for d in spatial])


def centre_crop(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """CenterCrop, and RandomCrop where it is not trained: the centre, or else resized."""
    size = (layer.height, layer.width)
    room = [x.shape[d] - m for d, m in zip(spatial_of(layer, x), size, strict=True)]
    if min(room) >= 0 and type(layer).__name__ != "RandomCrop":
        return _cropped(c, layer, x, [(n // 2, n - n // 2) for n in room])
    x = _to_aspect(c, layer, x, size, min)
    return _resized(c, layer, x, size, "bilinear", False)
