"""Keras' layers and operations that move elements without computing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers import concat, layout, moves
from erfgraph.importers.arrange import expanded
from erfgraph.importers.keras_formats import channel_of, channels_last, spatial_of
from erfgraph.importers.rows import Call, each
from erfgraph.importers.tracer import cannot
from erfgraph.importers.values import Constant, Traced


def dims_of(axis: Any, ndim: int) -> list[int]:
    """Dimensions as numbers from 0; None means all."""
    if axis is None:
        return list(range(ndim))
    given = axis if isinstance(axis, list | tuple) else [axis]
    return [int(d) % ndim for d in given]


# --- layers -------------------------------------------------------------------------------


def flattened(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Flatten: channels first are brought last before."""
    if not channels_last(layer) and x.ndim > 2:
        x = moves.permute(c.t, x, [0, *range(2, x.ndim), 1])
    return moves.reshape(c.t, x, c.shape)


def reshaped(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Reshape, ops.reshape, ops.ravel."""
    return moves.reshape(c.t, x, c.shape)


def permuted(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """Permute: its dimensions do not count the batch."""
    return moves.permute(c.t, x, [0, *layer.dims])


def repeated_vector(c: Call, layer: Any, x: Traced, **kwargs: Any) -> Traced:
    """RepeatVector."""
    return expanded(moves.unsqueeze(c.t, c.t.real(x), 1), c.shape)


# --- operations ---------------------------------------------------------------------------


def transposed(c: Call, op: Any, x: Traced) -> Traced:
    """ops.transpose: without axes, in reverse."""
    return moves.permute(c.t, x, list(op.axes) if op.axes else range(x.ndim)[::-1])


def moved(c: Call, op: Any, x: Traced) -> Traced:
    """ops.moveaxis."""
    start, stop = dims_of(op.source, x.ndim), dims_of(op.destination, x.ndim)
    order = [d for d in range(x.ndim) if d not in start]
    for to, come in sorted(zip(stop, start, strict=True)):
        order.insert(to, come)
    return moves.permute(c.t, x, order)


def swapped(c: Call, op: Any, x: Traced) -> Traced:
    """ops.swapaxes."""
    a, b = dims_of((op.axis1, op.axis2), x.ndim)
    return moves.arranged(c.t, x, lambda dims: layout.swap(dims, a, b))


def dims_added(c: Call, op: Any, x: Traced) -> Traced:
    """ops.expand_dims."""
    axes = op.axis if isinstance(op.axis, list | tuple) else [op.axis]
    for d in sorted(int(d) % (x.ndim + len(axes)) for d in axes):
        x = moves.unsqueeze(c.t, x, d)
    return x


def squeezed(c: Call, op: Any, x: Traced) -> Traced:
    """ops.squeeze."""
    return moves.squeeze(c.t, x, None if op.axis is None else dims_of(op.axis, x.ndim))


def broadcast(c: Call, op: Any, x: Traced) -> Traced:
    """ops.broadcast_to."""
    return expanded(c.t.real(x), c.shape)


def repeated(c: Call, op: Any, x: Traced) -> Traced:
    """ops.repeat: each element several times in a row."""
    times = op.repeats
    if not isinstance(times, int) or op.axis is None:
        raise LayerError(f"{c.op}: by several numbers, or of a flattened tensor, is not supported")
    (d,) = dims_of(op.axis, x.ndim)
    x = c.t.real(x)
    return replace(x, dims=(*x.dims[:d], (*x.dims[d], *layout.repeats(times)), *x.dims[d + 1 :]))


def tiled(c: Call, op: Any, x: Traced) -> Traced:
    """ops.tile: all elements several times over."""
    times = [op.repeats] if isinstance(op.repeats, int) else list(op.repeats)
    x = c.t.real(x)
    ndim = max(len(times), x.ndim)
    x = replace(x, dims=layout.aligned(x.dims, ndim))
    for d, n in enumerate([1] * (ndim - len(times)) + times):
        if n == 1:
            continue
        if any(layout.is_spatial(a) for a in x.dims[d]):
            raise cannot(f"{c.op}: positions are tiled, which cannot be represented", x)
        if x.shape[d] > 1:
            x = moves.take_channels(c.t, x, d, list(range(x.shape[d])) * n)
        else:
            x = replace(x, dims=(*x.dims[:d], layout.repeats(n), *x.dims[d + 1 :]))
    return x


def flipped(c: Call, op: Any, x: Traced) -> Traced:
    """ops.flip."""
    return moves.flip(c.t, x, dims_of(op.axis, x.ndim))


def rolled(c: Call, op: Any, x: Traced) -> Traced:
    """ops.roll."""
    if op.axis is None:
        raise LayerError(f"{c.op}: of a flattened tensor is not supported; give axis")
    axes = dims_of(op.axis, x.ndim)
    shift = op.shift if isinstance(op.shift, int) else list(op.shift)
    return moves.roll(c.t, x, each(shift, len(axes)), axes)


def padded(c: Call, op: Any, x: Traced, constant_values: Any = None) -> Traced:
    """ops.pad: one pair for all dimensions, or a pair for each."""
    pairs = [(int(a), int(b)) for a, b in op.pad_width]
    sides = pairs * x.ndim if len(pairs) == 1 else pairs
    modes = {"constant": "zeros", "edge": "replicate", "wrap": "circular"}
    return concat.pad(c.t, x, sides, modes.get(op.mode, op.mode))


def joined(c: Call, op: Any, values: Sequence[Traced | Constant], **kwargs: Any) -> Traced:
    """Concatenate, ops.concatenate."""
    return concat.concat(c.t, values, op.axis)


def appended(c: Call, op: Any, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """ops.append."""
    if op.axis is None:
        raise LayerError(f"{c.op}: of flattened tensors is not supported; give axis")
    return concat.concat(c.t, [a, b], op.axis)


def stacked(c: Call, op: Any, values: Sequence[Traced | Constant]) -> Traced:
    """ops.stack."""
    return concat.stack(c.t, values, op.axis)


def split(c: Call, op: Any, x: Traced) -> list[Traced]:
    """ops.split, ops.array_split: sizes are read off the results."""
    d = op.axis % x.ndim
    return moves.split(c.t, x, [shape[d] for shape in c.shapes], d)


def unstacked(c: Call, op: Any, x: Traced) -> list[Traced]:
    """ops.unstack."""
    return [moves.select(c.t, x, op.axis, i) for i in range(x.shape[op.axis])]


def sliced(c: Call, op: Any, x: Traced, starts: Any) -> Traced:
    """ops.slice."""
    first = starts.read().tolist() if isinstance(starts, Constant) and starts.read else starts
    if not isinstance(first, list | tuple) or not all(isinstance(i, int) for i in first):
        raise LayerError(f"{c.op}: where it starts is no constant")
    for d, (start, size) in enumerate(zip(first, c.shape, strict=True)):
        x = moves.take(c.t, x, d, range(start, start + size))
    return x


def item(c: Call, op: Any, x: Traced, key: Any) -> Traced:
    """``x[key]`` with numbers, slices, None, an ellipsis, or one list of indices."""
    keys = list(key) if isinstance(key, tuple) else [key]
    used = sum(k is not None and k is not Ellipsis for k in keys)
    rest = [slice(None)] * (x.ndim - used)
    dots = [i for i, k in enumerate(keys) if k is Ellipsis] or [len(keys)]
    keys[dots[0] : dots[0] + 1] = rest
    d = 0
    for k in keys:
        if k is None:
            x = moves.unsqueeze(c.t, x, d)
        elif isinstance(k, slice):
            x = moves.take(c.t, x, d, range(x.shape[d])[k])
        elif isinstance(k, int | np.integer):
            x = moves.select(c.t, x, d, int(k))
            continue
        else:
            x = picked(c, x, d, k)
        d += 1
    return x


def taken(c: Call, op: Any, x: Traced, indices: Any) -> Traced:
    """ops.take."""
    if op.axis is None:
        raise LayerError(f"{c.op}: of a flattened tensor is not supported; give axis")
    (d,) = dims_of(op.axis, x.ndim)
    if isinstance(indices, int):
        return moves.select(c.t, x, d, indices)
    return picked(c, x, d, indices)


def picked(c: Call, x: Traced, d: int, index: Any) -> Traced:
    """Some indices of a dimension, from a constant vector or a list."""
    found = index.read() if isinstance(index, Constant) and index.read else index
    values = np.asarray(found) if isinstance(found, list | tuple | np.ndarray) else None
    if values is None or values.ndim != 1 or values.dtype.kind not in "iub":
        raise LayerError(f"{c.op}: the index is no constant vector of whole numbers")
    if values.dtype.kind == "b":
        values = np.flatnonzero(values)
    n = x.shape[d]
    numbers = [int(i) % n for i in values.tolist()]
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    if len(steps) <= 1 and 0 not in steps:
        step = steps.pop() if steps else 1
        stop = numbers[-1] + (1 if step > 0 else -1)
        return moves.take(c.t, x, d, range(numbers[0], stop, step))
    x = c.t.real(x)
    if any(layout.is_spatial(a) for a in x.dims[d]):
        raise cannot(f"{c.op}: an irregular choice of positions", x)
    return moves.take_channels(c.t, x, d, numbers)


# --- channels against positions -----------------------------------------------------------


def depth_to_space(c: Call, op: Any, x: Traced) -> Traced:
    """ops.depth_to_space: the block is the outer part of channels last, the inner of first."""
    r = op.block_size
    b, *_ = x.shape
    h, w = (x.shape[d] for d in spatial_of(op, x))
    channels = x.shape[channel_of(op, x)] // r**2
    if channels_last(op):
        v = moves.reshape(c.t, x, (b, h, w, r, r, channels))
        v = moves.permute(c.t, v, (0, 1, 3, 2, 4, 5))
    else:
        v = moves.reshape(c.t, x, (b, channels, r, r, h, w))
        v = moves.permute(c.t, v, (0, 1, 4, 2, 5, 3))
    return moves.reshape(c.t, v, c.shape)


def space_to_depth(c: Call, op: Any, x: Traced) -> Traced:
    """ops.space_to_depth."""
    r = op.block_size
    b, *_ = x.shape
    h, w = (x.shape[d] // r for d in spatial_of(op, x))
    channels = x.shape[channel_of(op, x)]
    if channels_last(op):
        v = moves.reshape(c.t, x, (b, h, r, w, r, channels))
        v = moves.permute(c.t, v, (0, 1, 3, 2, 4, 5))
    else:
        v = moves.reshape(c.t, x, (b, channels, h, r, w, r))
        v = moves.permute(c.t, v, (0, 1, 3, 5, 2, 4))
    return moves.reshape(c.t, v, c.shape)


def patches(c: Call, op: Any, x: Traced) -> Traced:
    """ops.image.extract_patches, without overlap: positions of a patch, then channels."""
    n = len(op.size)
    size = list(op.size)
    plain = each(op.strides, n) == size and set(each(op.dilation_rate, n, 1)) == {1}
    at = list(spatial_of(op, x))
    whole = all(x.shape[d] % k == 0 for d, k in zip(at, size, strict=True))
    if not plain or (op.padding == "same" and not whole):
        raise LayerError(f"{c.op}: patches that overlap or leave gaps are not supported")
    for d, k in zip(at, size, strict=True):
        x = moves.take(c.t, x, d, range(x.shape[d] // k * k))
    x = x if channels_last(op) else moves.permute(c.t, x, [0, *at, 1])
    shape = x.shape
    parts = [part for m, k in zip(shape[1:-1], size, strict=True) for part in (m // k, k)]
    x = moves.reshape(c.t, x, [shape[0], *parts, shape[-1]])
    outer, inner = range(1, 2 * n, 2), range(2, 2 * n + 1, 2)
    x = moves.permute(c.t, x, [0, *outer, *inner, 2 * n + 1])
    x = moves.reshape(c.t, x, [*x.shape[: n + 1], -1])
    return x if channels_last(op) else moves.permute(c.t, x, [0, n + 1, *range(1, n + 1)])
