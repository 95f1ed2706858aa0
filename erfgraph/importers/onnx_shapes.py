"""ONNX's operations that move elements without computing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers import layout, moves
from erfgraph.importers.arrange import expanded
from erfgraph.importers.concat import concat, pad, stack
from erfgraph.importers.onnx_folds import cut
from erfgraph.importers.onnx_folds import reshaped as reshaped_sizes
from erfgraph.importers.rows import Call, Result
from erfgraph.importers.tracer import cannot
from erfgraph.importers.values import Constant, Traced

MOST_TILES = 256
PAD_MODES = {"constant": "zeros", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def numbers(c: Call, what: str, value: Any, default: Any = None) -> list[int]:
    """Integers from an input that is a constant, or from an attribute."""
    if value is None:
        value = default
    if isinstance(value, list | range):
        return list(value)
    if not isinstance(value, Constant) or value.read is None:
        raise LayerError(f"{c.op}: its {what} are not known before the model runs")
    return [int(n) for n in value.read().ravel().tolist()]


def optional(c: Call, what: str, value: Any, default: Any = None) -> list[int] | None:
    """The same, where it may be left out."""
    return None if value is None and default is None else numbers(c, what, value, default)


def _dimension(d: int, ndim: int) -> int:
    if not -ndim <= d < ndim:
        raise LayerError(f"axis {d} of a tensor of {ndim} dimensions")
    return d % ndim


def reshaped(c: Call, x: Traced, shape: Any = None, *, allowzero: int = 0, **a: Any) -> Traced:
    """Reshape."""
    wanted = numbers(c, "sizes", shape, a.get("shape"))
    return moves.reshape(c.t, x, reshaped_sizes(x.shape, wanted, allowzero))


def flattened(c: Call, x: Traced, *, axis: int = 1) -> Traced:
    """Flatten."""
    axis = axis + x.ndim if axis < 0 else axis
    return moves.reshape(c.t, x, [math.prod(x.shape[:axis]), math.prod(x.shape[axis:])])


def transposed(c: Call, x: Traced, *, perm: Sequence[int] | None = None) -> Traced:
    """Transpose."""
    order = list(perm) if perm is not None else list(range(x.ndim))[::-1]
    if sorted(order) != list(range(x.ndim)):
        raise LayerError(f"perm: got {order}, wanted an order of {x.ndim} dimensions")
    return moves.permute(c.t, x, order)


def unsqueezed(c: Call, x: Traced, axes: Any = None, **a: Any) -> Traced:
    """Unsqueeze."""
    at = numbers(c, "axes", axes, a.get("axes"))
    total = x.ndim + len(at)
    for d in sorted(_dimension(d, total) for d in at):
        x = moves.unsqueeze(c.t, x, d)
    return x


def squeezed(c: Call, x: Traced, axes: Any = None, **a: Any) -> Traced:
    """Squeeze."""
    at = optional(c, "axes", axes, a.get("axes"))
    if at is not None and any(x.shape[_dimension(d, x.ndim)] != 1 for d in at):
        raise LayerError(f"axes {at} of {x.shape} are not all of size 1")
    return moves.squeeze(c.t, x, at)


def expanded_to(c: Call, x: Traced, shape: Any) -> Traced:
    """Expand: broadcast in both directions."""
    wanted = np.broadcast_shapes(x.shape, tuple(numbers(c, "sizes", shape)))
    return expanded(c.t.real(x), wanted)


def tiled(c: Call, x: Traced, times: Any) -> Traced:
    """Tile."""
    x = c.t.real(x)
    for d, n in enumerate(numbers(c, "repeats", times)):
        if n < 1:
            raise LayerError(f"repeats: got {n}, wanted positive numbers")
        dim = x.dims[d]
        if n == 1:
            continue
        if not dim:
            x = replace(x, dims=(*x.dims[:d], layout.repeats(n), *x.dims[d + 1 :]))
        elif any(layout.is_spatial(a) for a in dim):
            if n > MOST_TILES:
                raise cannot(f"positions are tiled {n} times, wanted at most {MOST_TILES}", x)
            x = concat(c.t, [x] * n, d)
        elif n * x.shape[d] > 1 << 20:
            raise LayerError(f"repeats: {n} times {x.shape[d]} is too many")
        else:
            x = moves.take_channels(c.t, x, d, list(range(x.shape[d])) * n)
    return x


def sliced(c: Call, x: Traced, *args: Any, **attributes: Any) -> Traced:
    """Slice."""
    for d, where in cuts(c, x.shape, *args, **attributes):
        x = moves.take(c.t, x, d, where)
    return x


def cuts(
    c: Call,
    shape: Sequence[int],
    starts: Any = None,
    ends: Any = None,
    axes: Any = None,
    steps: Any = None,
    **a: Any,
) -> list[tuple[int, range]]:
    """What Slice takes: of which dimensions, which positions."""
    begin = numbers(c, "starts", starts, a.get("starts"))
    stop = numbers(c, "ends", ends, a.get("ends"))
    at = optional(c, "axes", axes, a.get("axes")) or list(range(len(begin)))
    step = optional(c, "steps", steps) or [1] * len(begin)
    found = []
    for first, last, d, by in zip(begin, stop, at, step, strict=True):
        d = _dimension(d, len(shape))
        found.append((d, cut(shape[d], first, last, by)))
    return found


def split(
    c: Call,
    x: Traced,
    sizes: Any = None,
    *,
    axis: int = 0,
    num_outputs: int | None = None,
    **a: Any,
) -> list[Traced]:
    """Split."""
    d = _dimension(axis, x.ndim)
    n = x.shape[d]
    parts = optional(c, "sizes", sizes, a.get("split"))
    if parts is None:
        count = num_outputs or 1
        if not 1 <= count <= n:
            raise LayerError(f"{count} parts of a dimension of size {n}")
        each = -(-n // count)
        parts = [each] * (count - 1) + [n - each * (count - 1)]
    if sum(parts) != n or min(parts) < 1:
        raise LayerError(f"parts of {parts}, of a dimension of size {n}")
    return moves.split(c.t, x, parts, d)


def split_to_sequence(
    c: Call, x: Traced, sizes: Any = None, *, axis: int = 0, keepdims: int = 1
) -> list[Traced]:
    """SplitToSequence."""
    d = _dimension(axis, x.ndim)
    n = x.shape[d]
    given = optional(c, "sizes", sizes)
    if given is None:
        parts = moves.split(c.t, x, [1] * n, d)
        return parts if keepdims else [moves.squeeze(c.t, part, [d]) for part in parts]
    if sizes.shape == ():
        given = [min(given[0], n - start) for start in range(0, n, max(given[0], 1))]
    if sum(given) != n:
        raise LayerError(f"parts of {given}, of a dimension of size {n}")
    return moves.split(c.t, x, given, d)


def item(c: Call, sequence: Any, at: Any) -> Result:
    """SequenceAt."""
    (index,) = numbers(c, "position", at)
    found: Result = sequence[index]
    return found


def concatenated(c: Call, *values: Any, axis: int) -> Traced:
    """Concat."""
    given = [v for v in values if v.shape != (0,)]
    return concat(c.t, given, _dimension(axis, max(len(v.shape) for v in given)))


def concatenated_sequence(c: Call, values: Any, *, axis: int, new_axis: int = 0) -> Traced:
    """ConcatFromSequence."""
    return stack(c.t, values, axis) if new_axis else concat(c.t, values, axis)


def padded(
    c: Call, x: Traced, pads: Any = None, value: Any = None, axes: Any = None, **a: Any
) -> Any:
    """Pad."""
    given = numbers(c, "pads", pads, a.get("pads", a.get("paddings")))
    mode = a.get("mode", "constant")
    if mode not in PAD_MODES:
        raise LayerError(f"mode: got {mode!r}, wanted one of {', '.join(PAD_MODES)}")
    at = optional(c, "axes", axes) or list(range(x.ndim))
    if len(given) != 2 * len(at):
        raise LayerError(f"pads: got {given}, wanted {2 * len(at)} numbers")
    pairs = [(0, 0)] * x.ndim
    for k, d in enumerate(at):
        pairs[_dimension(d, x.ndim)] = (given[k], given[k + len(at)])
    return pad(c.t, x, pairs, PAD_MODES[mode])


def centred(c: Call, x: Traced, shape: Any, *, axes: Sequence[int] | None = None) -> Traced:
    """CenterCropPad."""
    wanted = numbers(c, "sizes", shape)
    pairs = [(0, 0)] * x.ndim
    for d, m in zip(axes or range(x.ndim), wanted, strict=True):
        more = m - x.shape[_dimension(d, x.ndim)]
        # of an odd number, what is left over is after; of a crop too
        pairs[d % x.ndim] = (more // 2, more - more // 2) if more > 0 else (-(-more // 2), 0)
        if more < 0:
            before = -more // 2
            pairs[d % x.ndim] = (-before, more + before)
    return pad(c.t, x, pairs)


def gathered(c: Call, x: Any, index: Any, *, axis: int = 0) -> Traced:
    """Gather by a constant: one index, or some of a dimension."""
    if not isinstance(x, Traced) or not isinstance(index, Constant) or index.read is None:
        raise LayerError(f"{c.op}: indices that depend on the input are not supported")
    d = _dimension(axis, x.ndim)
    n = x.shape[d]
    values = numbers(c, "indices", index)
    if any(not -n <= i < n for i in values) or not values:
        raise LayerError(f"indices {values[:8]} of a dimension of size {n}")
    if index.shape == ():
        return moves.select(c.t, x, d, values[0])
    made = picked(c, x, d, [i % n for i in values])
    if len(index.shape) == 1:
        return made
    return moves.reshape(c.t, made, (*x.shape[:d], *index.shape, *x.shape[d + 1 :]))


def picked(c: Call, x: Traced, d: int, values: list[int]) -> Traced:
    """Some indices of a dimension."""
    steps = {b - a for a, b in itertools.pairwise(values)}
    if len(steps) <= 1 and 0 not in steps:
        step = steps.pop() if steps else 1
        last = values[-1] + (1 if step > 0 else -1)
        return moves.take(c.t, x, d, range(values[0], last, step))
    x = c.t.real(x)
    if any(layout.is_spatial(a) for a in x.dims[d]):
        raise cannot(f"{c.op}: an irregular choice of positions", x)
    return moves.take_channels(c.t, x, d, values)


def scattered(c: Call, x: Any, index: Any, updates: Any, *, reduction: str = "none") -> Result:
    """ScatterND that writes into a box: what ``x[:, :, a:b] = y`` becomes."""
    if not isinstance(index, Constant) or index.read is None or reduction != "none":
        raise LayerError(f"{c.op}: only an assignment to constant places is supported")
    places = index.read().reshape(-1, index.shape[-1])
    places = places % np.array(x.shape[: index.shape[-1]])
    if not len(places):
        unchanged: Result = x
        return unchanged
    low, high = places.min(axis=0), places.max(axis=0) + 1
    if math.prod((high - low).tolist()) != len(places) or not np.array_equal(
        np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), -1).reshape(places.shape),
        places,
    ):
        raise LayerError(f"{c.op}: an assignment to other places than a box is not supported")
    inner = tuple(int(n) for n in high - low)
    size = (*inner, *x.shape[len(inner) :])
    part = moves.reshape(c.t, updates, size) if isinstance(updates, Traced) else Constant(size)
    return _pasted(c, x, part, [int(n) for n in low], inner, 0)


def _pasted(
    c: Call, x: Any, part: Any, start: Sequence[int], inner: Sequence[int], d: int
) -> Result:
    """A tensor with a box replaced, dimension by dimension."""
    if d == len(inner):
        return part  # type: ignore[no-any-return]
    n, begin, end = x.shape[d], start[d], start[d] + inner[d]
    middle = _taken(c, x, d, range(begin, end))
    pieces = [
        _taken(c, x, d, range(begin)),
        _pasted(c, middle, part, start, inner, d + 1),
        _taken(c, x, d, range(end, n)),
    ]
    kept = [p for p in pieces if isinstance(p, Traced | Constant)]
    if not any(isinstance(p, Traced) for p in kept):
        return middle  # type: ignore[no-any-return]
    return concat(c.t, kept, d) if len(kept) > 1 else kept[0]


def _taken(c: Call, x: Any, d: int, where: range) -> Any:
    if not where:
        return None
    if isinstance(x, Constant):
        return Constant((*x.shape[:d], len(where), *x.shape[d + 1 :]))
    return moves.take(c.t, x, d, where)


def depth_to_space(c: Call, x: Traced, *, blocksize: int, mode: str = "DCR") -> Traced:
    """DepthToSpace: PyTorch's pixel shuffle in mode CRD."""
    b, channels, *size = x.shape
    n, r = len(size), blocksize
    inner = channels // r**n
    if mode not in ("DCR", "CRD") or channels != inner * r**n:
        raise LayerError(f"{c.op}: mode {mode!r}, blocksize {r} of {channels} channels")
    blocks = [r] * n
    shape = (b, inner, *blocks, *size) if mode == "CRD" else (b, *blocks, inner, *size)
    v = moves.reshape(c.t, x, shape)
    first = 2 if mode == "CRD" else 1
    order = [0, 1 if mode == "CRD" else n + 1]
    for a in range(n):
        order += [n + 2 + a, first + a]
    v = moves.permute(c.t, v, order)
    return moves.reshape(c.t, v, (b, inner, *(m * r for m in size)))


def space_to_depth(c: Call, x: Traced, *, blocksize: int, mode: str = "DCR") -> Traced:
    """SpaceToDepth: a block's positions stand before the channels, in mode CRD behind."""
    b, channels, *size = x.shape
    n, r = len(size), blocksize
    if mode not in ("DCR", "CRD") or r < 1 or any(m % r for m in size):
        raise LayerError(f"{c.op}: mode {mode!r}, blocksize {r} of {tuple(size)} positions")
    split_up: list[int] = [b, channels]
    for m in size:
        split_up += [m // r, r]
    v = moves.reshape(c.t, x, split_up)
    inside = [3 + 2 * a for a in range(n)]
    own = [1, *inside] if mode == "CRD" else [*inside, 1]
    v = moves.permute(c.t, v, [0, *own, *(2 + 2 * a for a in range(n))])
    return moves.reshape(c.t, v, (b, channels * r**n, *(m // r for m in size)))


def reversed_sequence(
    c: Call, x: Traced, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0
) -> Traced:
    """ReverseSequence of whole sequences: a flip."""
    n = x.shape[time_axis]
    if set(numbers(c, "lengths", lengths)) != {n}:
        raise LayerError(f"{c.op}: of a part of a sequence is not supported")
    return moves.flip(c.t, x, [time_axis])
