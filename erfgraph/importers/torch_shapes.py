"""PyTorch's operations that move elements without computing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from erfgraph.errors import LayerError
from erfgraph.importers import layout, moves
from erfgraph.importers.arrange import apart, expanded
from erfgraph.importers.concat import concat, stack
from erfgraph.importers.rows import (
    Call,
    Ints,
    Result,
    Row,
    each,
)
from erfgraph.importers.tracer import cannot
from erfgraph.importers.values import Constant, Traced


def reshaped(c: Call, x: Traced, *shape: Any) -> Traced:
    """view, reshape, flatten, unflatten: whatever ends in the result's shape."""
    return moves.reshape(c.t, x, c.shape)


def permuted(c: Call, x: Traced, order: Sequence[int]) -> Traced:
    """permute."""
    return moves.permute(c.t, x, order)


def swapped(c: Call, x: Traced, a: int = 0, b: int = 1) -> Traced:
    """transpose, t."""
    if x.ndim < 2:
        return x
    return moves.arranged(c.t, x, lambda dims: layout.swap(dims, a % x.ndim, b % x.ndim))


def moved(c: Call, x: Traced, source: Ints, target: Ints) -> Traced:
    """movedim."""
    start = [i % x.ndim for i in each(source, 1)]
    stop = [i % x.ndim for i in each(target, 1)]
    order = [i for i in range(x.ndim) if i not in start]
    for to, come in sorted(zip(stop, start, strict=True)):
        order.insert(to, come)
    return moves.permute(c.t, x, order)


def unsqueezed(c: Call, x: Traced, d: int) -> Traced:
    """unsqueeze."""
    return moves.unsqueeze(c.t, x, d)


def squeezed(c: Call, x: Traced, d: Ints | None = None) -> Traced:
    """squeeze: only dimensions of size 1 go."""
    if d is None:
        return moves.squeeze(c.t, x)
    given = [d] if isinstance(d, int) else d
    return moves.squeeze(c.t, x, [i for i in given if x.shape[i] == 1])


def broadcast(c: Call, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """expand, expand_as, broadcast_to."""
    if not x.late and _is_one_channel(x) and x.ndim == len(c.shape) and c.shape[1] > 1:
        x = _copied(c, x, c.shape[1])
    return moves.arranged(c.t, x, lambda dims: expanded(replace(x, dims=dims), c.shape).dims)


def _is_one_channel(x: Traced) -> bool:
    """Whether a tensor is (batch, channels, positions), of one channel."""
    return x.ndim == len(x.map.shape) + 2 and x.map.channels == 1 and not x.dims[0] + x.dims[1]


def _copied(c: Call, x: Traced, n: int) -> Traced:
    """The one channel of a tensor n times."""
    x = c.t.real(x)
    return replace(x, map=c.t.view(x.map, (0,) * n), dims=((), layout.channels(n), *x.dims[2:]))


def repeated(c: Call, x: Traced, times: Sequence[int]) -> Traced:
    """repeat, tile."""
    x = c.t.real(x)
    full = [1] * (len(times) - x.ndim) + list(x.shape)
    x = replace(x, dims=layout.aligned(x.dims, len(full)))
    for d, n in enumerate([1] * (len(full) - len(times)) + list(times)):
        if n == 1:
            continue
        if d == 1 and _is_one_channel(x):
            x = _copied(c, x, n)
        elif full[d] > 1:
            x = concat_copies(c, x, d, n)
        else:
            x = replace(x, dims=(*x.dims[:d], layout.repeats(n), *x.dims[d + 1 :]))
    return x


def concat_copies(c: Call, x: Traced, d: int, n: int) -> Traced:
    """A dimension of channels again and again."""
    if any(layout.is_spatial(a) for a in x.dims[d]):
        raise cannot(f"{c.op}: positions are tiled, which cannot be represented", x)
    return moves.take_channels(c.t, x, d, list(range(x.shape[d])) * n)


def repeat_interleaved(
    c: Call, x: Traced, times: Any, d: int | None = None, **kwargs: Any
) -> Traced:
    """repeat_interleave by a number."""
    if not isinstance(times, int) or d is None:
        raise LayerError(f"{c.op}: by a tensor, or of a flattened tensor, is not supported")
    x = c.t.real(x)
    d %= x.ndim
    dim = (*x.dims[d], *layout.repeats(times))
    return replace(x, dims=(*x.dims[:d], dim, *x.dims[d + 1 :]))


def sliced(
    c: Call,
    x: Traced,
    d: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Traced | Constant:
    """slice; what is left of nothing is a constant without elements."""
    picked = range(x.shape[d])[slice(start, stop, step)]
    return moves.take(c.t, x, d, picked) if picked else Constant(c.shape)


def narrowed(c: Call, x: Traced, d: int, start: int, length: int) -> Traced:
    """narrow."""
    start %= x.shape[d]
    return moves.take(c.t, x, d, range(start, start + length))


def selected(c: Call, x: Traced, d: int, index: int) -> Traced:
    """select."""
    return moves.select(c.t, x, d, index)


def split(c: Call, x: Traced, size: Any, d: int = 0) -> list[Traced | Constant]:
    """split, chunk, split_with_sizes, tensor_split: sizes are read off the results."""
    parts, start = [], 0
    for shape in c.shapes:
        stop = start + shape[d % x.ndim]
        parts.append(sliced(replace(c, shapes=(shape,)), x, d, start, stop))
        start = stop
    return parts


def split_at(d: int) -> Row:
    """hsplit, vsplit, dsplit: along a dimension of their own."""

    def row(c: Call, x: Traced, sizes: Any) -> Result:
        return split(c, x, sizes, min(d, x.ndim - 1))

    return row


def unbound(c: Call, x: Traced, d: int = 0) -> list[Traced]:
    """unbind."""
    return [moves.select(c.t, x, d, i) for i in range(x.shape[d])]


def flipped(c: Call, x: Traced, at: Sequence[int]) -> Traced:
    """flip."""
    return moves.flip(c.t, x, at)


def rolled(c: Call, x: Traced, shifts: Ints, at: Ints = ()) -> Traced:
    """roll."""
    dims = [at] if isinstance(at, int) else list(at)
    if not dims:
        raise LayerError(f"{c.op}: of a flattened tensor is not supported; give dims")
    return moves.roll(c.t, x, each(shifts, len(dims)), dims)


def concatenated(c: Call, values: Sequence[Traced | Constant], d: int = 0) -> Traced:
    """cat."""
    return concat(c.t, [v for v in values if v.shape != (0,)], d)


def stacked(c: Call, values: Sequence[Traced | Constant], d: int = 0) -> Traced:
    """stack."""
    return stack(c.t, values, d)


def indexed(c: Call, x: Traced, indices: Sequence[Any]) -> Traced:
    """x[indices] with one constant index of one axis."""
    used = [(d, i) for d, i in enumerate(indices) if i is not None]
    if len(used) != 1:
        raise LayerError(f"{c.op}: with {len(used)} index tensors is not supported")
    return picked(c, x, *used[0])


def picked(c: Call, x: Traced, d: int, index: Any) -> Traced:
    """index_select."""
    if not isinstance(index, Constant) or index.read is None or len(index.shape) != 1:
        raise LayerError(f"{c.op}: the index is no constant vector")
    n = x.shape[d]
    values = [int(i) % n for i in index.read().tolist()]
    steps = {b - a for a, b in itertools.pairwise(values)}
    if len(steps) <= 1 and 0 not in steps:
        step = steps.pop() if steps else 1
        return moves.take(c.t, x, d, range(values[0], values[-1] + (1 if step > 0 else -1), step))
    x = c.t.real(x)
    if any(layout.is_spatial(a) for a in x.dims[d % x.ndim]):
        raise cannot(f"{c.op}: an irregular choice of positions", x)
    return moves.take_channels(c.t, x, d % x.ndim, values)


def scattered(
    c: Call,
    x: Traced | Constant,
    src: Traced | Constant,
    d: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> Traced:
    """slice_scatter: a tensor with a part of one dimension replaced."""
    n = x.shape[d]
    where = range(n)[slice(start, stop, step)]
    if where.step != 1:
        raise LayerError(f"{c.op}: with a step is not supported")
    parts: list[Traced | Constant] = []
    for piece in (range(where.start), range(where.stop, n)):
        if isinstance(x, Traced) and piece:
            parts.append(moves.take(c.t, x, d, piece))
        else:
            parts.append(Constant((*x.shape[:d], len(piece), *x.shape[d + 1 :])))
    parts.insert(1, src)
    return concat(c.t, parts, d)


def selection_scattered(
    c: Call, x: Traced | Constant, src: Traced | Constant, d: int, index: int
) -> Traced:
    """select_scatter: a tensor with one position of a dimension replaced."""
    d %= len(x.shape)
    shape = (*src.shape[:d], 1, *src.shape[d:])
    part = moves.reshape(c.t, src, shape) if isinstance(src, Traced) else Constant(shape)
    start = index % x.shape[d]
    return scattered(c, x, part, d, start, start + 1)


def pixel_shuffled(c: Call, x: Traced, r: int) -> Traced:
    """pixel_shuffle."""
    *batch, channels, h, w = x.shape
    n = len(batch)
    v = moves.reshape(c.t, x, (*batch, channels // r**2, r, r, h, w))
    v = moves.permute(c.t, v, [*range(n), n, n + 3, n + 1, n + 4, n + 2])
    return apart(c.t, moves.reshape(c.t, v, c.shape))


def pixel_unshuffled(c: Call, x: Traced, r: int) -> Traced:
    """pixel_unshuffle."""
    *batch, channels, h, w = x.shape
    n = len(batch)
    v = moves.reshape(c.t, x, (*batch, channels, h // r, r, w // r, r))
    v = moves.permute(c.t, v, [*range(n), n, n + 2, n + 4, n + 1, n + 3])
    return moves.reshape(c.t, v, c.shape)


def channel_shuffled(c: Call, x: Traced, groups: int) -> Traced:
    """channel_shuffle."""
    b, channels, *rest = x.shape
    v = moves.reshape(c.t, x, (b, groups, channels // groups, *rest))
    v = moves.permute(c.t, v, [0, 2, 1, *range(3, v.ndim)])
    return moves.reshape(c.t, v, c.shape)


def unfolded(c: Call, x: Traced, d: int, size: int, step: int) -> Traced:
    """unfold along one dimension, without overlap."""
    d %= x.ndim
    if size != step:
        raise LayerError(
            f"{c.op}: windows that overlap (size {size}, step {step}) are not supported"
        )
    count = x.shape[d] // size
    v = moves.take(c.t, x, d, range(count * size))
    v = moves.reshape(c.t, v, (*v.shape[:d], count, size, *v.shape[d + 1 :]))
    return moves.permute(c.t, v, [*(i for i in range(v.ndim) if i != d + 1), d + 1])
