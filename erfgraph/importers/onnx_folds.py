"""Shape arithmetic in NumPy: one small function an operation, and a table of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from erfgraph.importers.onnx_graph import MOST_ELEMENTS

Array = Any


class TooLargeError(Exception):
    """The result would have more numbers than are computed with."""


def _fits(*sizes: int) -> None:
    if math.prod(max(n, 0) for n in sizes) > MOST_ELEMENTS:
        raise TooLargeError


def _ints(values: Any) -> list[int]:
    return [int(v) for v in np.asarray(values).ravel().tolist()]


# --- shapes -------------------------------------------------------------------------------


def cut(n: int, start: int, stop: int, step: int) -> range:
    """The positions that ONNX's Slice takes of n.

    Examples
    --------
    >>> cut(5, -1, -(2**63), -1)
    range(4, -1, -1)
    """
    if step == 0:
        raise ValueError("a step of 0")
    low, high = (0, n) if step > 0 else (-1, n - 1)
    start = min(max(start + n if start < 0 else start, max(low, 0)), high)
    stop = min(max(stop + n if stop < 0 else stop, low), high if step < 0 else n)
    return range(start, stop, step)


def reshaped(shape: Sequence[int], wanted: Sequence[int], allowzero: int = 0) -> list[int]:
    """The sizes that Reshape makes: 0 is the input's own, -1 what is left.

    Examples
    --------
    >>> reshaped((1, 8, 4, 4), (0, -1, 16))
    [1, 8, 16]
    """
    sizes = [
        shape[i] if n == 0 and not allowzero and i < len(shape) else n
        for i, n in enumerate(wanted)
    ]
    if sizes.count(-1) > 1 or any(n < -1 for n in sizes):
        raise ValueError(f"shape {list(wanted)}")
    if -1 in sizes:
        known = math.prod(n for n in sizes if n != -1)
        total = math.prod(shape)
        if not known or total % known:
            raise ValueError(f"{list(shape)} does not divide into {list(wanted)}")
        sizes[sizes.index(-1)] = total // known
    return sizes


def _shape(x: Array, *, start: int = 0, end: int | None = None, **_: Any) -> Array:
    return np.array(x.shape, dtype=np.int64)[slice(start, end)]


def _reshape(x: Array, shape: Array = None, *, allowzero: int = 0, **attributes: Any) -> Array:
    wanted = _ints(attributes["shape"] if shape is None else shape)
    return np.reshape(x, reshaped(x.shape, wanted, allowzero))


def _squeeze(x: Array, axes: Array = None, **attributes: Any) -> Array:
    at = attributes.get("axes") if axes is None else _ints(axes)
    return np.squeeze(x, None if at is None else tuple(at))


def _unsqueeze(x: Array, axes: Array = None, **attributes: Any) -> Array:
    at = tuple(attributes["axes"] if axes is None else _ints(axes))
    return np.expand_dims(x, at)


def _flatten(x: Array, *, axis: int = 1) -> Array:
    axis %= x.ndim + 1
    return np.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _expand(x: Array, shape: Array) -> Array:
    wanted = np.broadcast_shapes(x.shape, tuple(_ints(shape)))
    _fits(*wanted)
    return np.array(np.broadcast_to(x, wanted))


def _tile(x: Array, times: Array) -> Array:
    counts = _ints(times)
    _fits(*(n * k for n, k in zip(x.shape, counts, strict=True)))
    return np.tile(x, counts)


def _slice(
    x: Array,
    starts: Array = None,
    ends: Array = None,
    axes: Array = None,
    steps: Array = None,
    **attributes: Any,
) -> Array:
    begin = _ints(attributes["starts"] if starts is None else starts)
    stop = _ints(attributes["ends"] if ends is None else ends)
    axes = attributes.get("axes", range(len(begin))) if axes is None else _ints(axes)
    steps = [1] * len(begin) if steps is None else _ints(steps)
    for first, last, axis, step in zip(begin, stop, axes, steps, strict=True):
        picked = cut(x.shape[axis], first, last, step)
        x = np.take(x, list(picked), axis)
    return x


def _split(
    x: Array, sizes: Array = None, *, axis: int = 0, **attributes: Any
) -> tuple[Array, ...]:
    parts = attributes.get("split") if sizes is None else _ints(sizes)
    n = x.shape[axis]
    if parts is None:
        count = attributes["num_outputs"]
        _fits(count)
        each = -(-n // count)
        parts = [each] * (count - 1) + [n - each * (count - 1)]
    if sum(parts) != n:
        raise ValueError(f"parts {parts} of {n}")
    return tuple(np.split(x, list(itertools.accumulate(parts))[:-1], axis))


def _gather(x: Array, index: Array, *, axis: int = 0) -> Array:
    _fits(x.size // max(x.shape[axis], 1), index.size)
    return np.take(x, index, axis)


def _gather_nd(x: Array, index: Array, *, batch_dims: int = 0) -> Array:
    if batch_dims:
        raise TooLargeError
    _fits(index.size, math.prod(x.shape[index.shape[-1] :]))
    return x[tuple(np.moveaxis(index, -1, 0))]


def _scatter_nd(x: Array, index: Array, updates: Array, **_: Any) -> Array:
    made = np.array(x)
    made[tuple(np.moveaxis(index, -1, 0))] = updates
    return made


def _concat(*xs: Array, axis: int) -> Array:
    _fits(sum(x.size for x in xs))
    return np.concatenate(xs, axis)


def _pad(x: Array, pads: Array = None, value: Array = None, axes: Array = None, **a: Any) -> Array:
    if a.get("mode", "constant") != "constant":
        raise TooLargeError
    sides = _ints(a["pads"] if pads is None else pads)
    at = range(x.ndim) if axes is None else _ints(axes)
    pairs = [(0, 0)] * x.ndim
    for k, axis in enumerate(at):
        pairs[axis] = (sides[k], sides[k + len(at)])
    _fits(*(n + max(b, 0) + max(c, 0) for n, (b, c) in zip(x.shape, pairs, strict=True)))
    return np.pad(x, pairs, constant_values=0 if value is None else value.item())


# --- making -------------------------------------------------------------------------------


def _constant(**attributes: Any) -> Array:
    (key, value), *_ = attributes.items()
    kinds = {"value_int": np.int64, "value_ints": np.int64}
    floats = {"value_float": np.float32, "value_floats": np.float32}
    return np.asarray(value, dtype={**kinds, **floats}.get(key))


def _filled(shape: Array, *, value: Array = None) -> Array:
    sizes = _ints(shape)
    _fits(*sizes)
    fill = np.zeros(1, np.float32) if value is None else value
    return np.full(sizes, fill.item(), fill.dtype)


def _range(start: Array, limit: Array, delta: Array) -> Array:
    first, last, step = (v.item() for v in (start, limit, delta))
    count = max(math.ceil((last - first) / step), 0)
    _fits(count)
    return (first + np.arange(count) * step).astype(start.dtype)


def _one_hot(index: Array, depth: Array, values: Array, *, axis: int = -1) -> Array:
    (n,) = _ints(depth)
    _fits(index.size, n)
    at = axis % (index.ndim + 1)
    digits = np.arange(n).reshape([n if d == at else 1 for d in range(index.ndim + 1)])
    return np.where(np.expand_dims(index % n, at) == digits, values[1], values[0])


def _triangle(x: Array, k: Array = None, *, upper: int = 1) -> Array:
    return (np.triu if upper else np.tril)(x, 0 if k is None else int(k.item()))


def _non_zero(x: Array) -> Array:
    return np.array(np.nonzero(x), dtype=np.int64)


# --- arithmetic ---------------------------------------------------------------------------


def _div(a: Array, b: Array) -> Array:
    if np.issubdtype(a.dtype, np.integer):
        return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)
    return a / b


def _mod(a: Array, b: Array, *, fmod: int = 0) -> Array:
    return np.fmod(a, b) if fmod else np.mod(a, b)


def _cast(x: Array, *, to: int, **_: Any) -> Array:
    from onnx.helper import tensor_dtype_to_np_dtype

    return x.astype(tensor_dtype_to_np_dtype(to))


def _binary(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def run(a: Array, b: Array, **options: Any) -> Array:
        _fits(*np.broadcast_shapes(a.shape, b.shape))
        return function(a, b, **options)

    return run


def _many(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def run(first: Array, *rest: Array) -> Array:
        for other in rest:
            first = _binary(function)(first, other)
        return first

    return run


def _where(condition: Array, a: Array, b: Array) -> Array:
    _fits(*np.broadcast_shapes(condition.shape, a.shape, b.shape))
    return np.where(condition, a, b)


def _clip(x: Array, low: Array = None, high: Array = None, **attributes: Any) -> Array:
    least = attributes.get("min") if low is None else low
    most = attributes.get("max") if high is None else high
    x = x if least is None else np.maximum(x, least)
    return x if most is None else np.minimum(x, most)


def _reduced(function: Callable[..., Array]) -> Callable[..., Array]:
    def run(
        x: Array, axes: Array = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0, **a: Any
    ) -> Array:
        at = a.get("axes") if axes is None else _ints(axes)
        if not at and noop_with_empty_axes:
            return x
        found = function(x, axis=tuple(at) if at else None, keepdims=bool(keepdims))
        return np.asarray(found).astype(x.dtype)

    return run


def _arg(function: Callable[..., Array]) -> Callable[..., Array]:
    def run(x: Array, *, axis: int = 0, keepdims: int = 1, **_: Any) -> Array:
        return function(x, axis=axis, keepdims=bool(keepdims))

    return run


def _cumulated(x: Array, axis: Array, *, exclusive: int = 0, reverse: int = 0) -> Array:
    at = int(axis.item())
    x = np.flip(x, at) if reverse else x
    made = np.cumsum(x, at, dtype=x.dtype)
    made = made - x if exclusive else made
    return np.flip(made, at) if reverse else made


def _item(sequence: list[Array], at: Array) -> Array:
    return sequence[int(at.item())]


EVALUATED: dict[str, Callable[..., Any]] = {
    "Shape": _shape,
    "Size": lambda x: np.array(x.size, dtype=np.int64),
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Flatten": _flatten,
    "Transpose": lambda x, *, perm=None: np.transpose(x, perm),
    "Expand": _expand,
    "Tile": _tile,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "GatherElements": lambda x, index, *, axis=0: np.take_along_axis(x, index, axis),
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "Concat": _concat,
    "Pad": _pad,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Range": _range,
    "OneHot": _one_hot,
    "NonZero": _non_zero,
    "Trilu": _triangle,
    "Identity": lambda x: x,
    "Cast": _cast,
    "CastLike": lambda x, like, **_: x.astype(like.dtype),
    "Add": _binary(np.add),
    "Sub": _binary(np.subtract),
    "Mul": _binary(np.multiply),
    "Div": _binary(_div),
    "Mod": _binary(_mod),
    "Pow": _binary(lambda a, b: np.power(a, b).astype(a.dtype)),
    "Min": _many(np.minimum),
    "Max": _many(np.maximum),
    "Sum": _many(np.add),
    "Equal": _binary(np.equal),
    "Greater": _binary(np.greater),
    "GreaterOrEqual": _binary(np.greater_equal),
    "Less": _binary(np.less),
    "LessOrEqual": _binary(np.less_equal),
    "And": _binary(np.logical_and),
    "Or": _binary(np.logical_or),
    "Xor": _binary(np.logical_xor),
    "Not": np.logical_not,
    "Where": _where,
    "Clip": _clip,
    "Abs": np.abs,
    "Neg": np.negative,
    "Sign": np.sign,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,
    "Sqrt": np.sqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Reciprocal": np.reciprocal,
    "ReduceSum": _reduced(np.sum),
    "ReduceProd": _reduced(np.prod),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "ReduceMean": _reduced(np.mean),
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "CumSum": _cumulated,
    "SequenceAt": _item,
    "ConcatFromSequence": lambda xs, *, axis, new_axis=0: (
        np.stack(xs, axis) if new_axis else np.concatenate(xs, axis)
    ),
}
