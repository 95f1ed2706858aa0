"""Operations that move elements without computing: reshapes, slices, flips, rolls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from erfgraph.channels import Channels
from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap
from erfgraph.importers import layout, ragged
from erfgraph.importers.arrange import apart
from erfgraph.importers.layout import (
    CHANNEL,
    REPEAT,
    Atom,
    Dim,
    Dims,
    channel_order,
    channels,
    is_channel,
    is_spatial,
    repeats,
    row_major,
    size_of,
    whole,
)
from erfgraph.importers.tracer import Tracer, cannot
from erfgraph.importers.values import Constant, Pieces, Traced


def arranged(t: Tracer, v: Traced, change: Callable[[Dims], Dims]) -> Traced:
    """The same elements with their dimensions changed."""
    if isinstance(v, Pieces):
        return ragged.arranged(t, v, change, arranged)
    dims = change(v.dims)
    if dims == v.dims:
        return v

    def make() -> Traced:
        made = t.made(v)
        return replace(made, dims=change(made.dims))

    if v.late and v.late[-1].statistic:  # x.mean(1).unsqueeze(1) is still one
        mean = v.late[-1].mean
        mean = None if mean is None else replace(mean, passed=(*mean.passed, *v.passed))
        return t.late(v, dims, make, statistic=True, mean=mean)
    return make()


def reshape(t: Tracer, v: Traced, shape: Sequence[int]) -> Traced:
    """The same elements in row-major order under another shape (one of it may be -1)."""
    if isinstance(v, Pieces):
        return ragged.reshaped(t, v, shape, reshape)
    if not v.late and any(map(is_channel, layout.atoms_of(v.dims[2:]))):
        v = apart(t, v)  # a pixel shuffle before it
    return arranged(t, v, lambda dims: layout.reshape(dims, shape))


def permute(t: Tracer, v: Traced, order: Sequence[int]) -> Traced:
    """Dimensions in another order."""
    return arranged(t, v, lambda dims: layout.permute(dims, [i % v.ndim for i in order]))


def unsqueeze(t: Tracer, v: Traced, at: int) -> Traced:
    """A dimension of size 1 more."""
    at %= v.ndim + 1
    return arranged(t, v, lambda dims: (*dims[:at], (), *dims[at:]))


def squeeze(t: Tracer, v: Traced, at: Sequence[int] | None = None) -> Traced:
    """Without some (default: all) of the dimensions of size 1."""
    drop = range(v.ndim) if at is None else [i % v.ndim for i in at]
    return arranged(
        t, v, lambda dims: tuple(dim for i, dim in enumerate(dims) if dim or i not in drop)
    )


# --- parts of a dimension -----------------------------------------------------------------


def take(t: Tracer, v: Traced, d: int, picked: range) -> Traced:
    """Some positions of one dimension, at equal distances.

    Raises
    ------
    LayerError
        If no layer takes such positions.
    """
    d %= v.ndim
    n = v.shape[d]
    if isinstance(v, Pieces) and picked and picked != range(n):
        return ragged.taken(t, v, d, picked, take)
    if not picked:
        return ragged.row_of(Constant((*v.shape[:d], 0, *v.shape[d + 1 :])))
    if picked == range(n):
        return v
    v = t.real(v)
    dim = v.dims[d]
    if all(a.axis == REPEAT for a in dim):
        return _with(v, d, repeats(len(picked)))
    if all(a.axis in (CHANNEL, REPEAT) for a in dim):
        return take_channels(t, v, d, picked)
    try:
        return _take_positions(t, v, d, picked)
    except LayerError:
        other = apart(t, v)
        if other is v:
            raise
        return take(t, other, d, picked)


def take_channels(t: Tracer, v: Traced, d: int, picked: Sequence[int]) -> Traced:
    """Some indices of a dimension of channels, in any order."""
    offsets = channel_order(v.dims[d])
    chosen: Channels
    if isinstance(offsets, range) and isinstance(picked, range):
        chosen = (
            offsets[picked.start : picked.stop : picked.step]
            if picked.step > 0
            else (tuple(offsets[i] for i in picked))
        )
    else:
        chosen = tuple(offsets[i] for i in picked)
    before = [a for dim in v.dims[:d] for a in dim if is_channel(a)]
    after = [a for dim in v.dims[d + 1 :] for a in dim if is_channel(a)]
    order: Channels = chosen
    if before or after:
        first, last = channel_order(before), channel_order(after)
        order = tuple(a + b + c for a in first for b in chosen for c in last)
    dims = (*v.dims[:d], channels(len(picked)), *v.dims[d + 1 :])
    return Traced(t.view(v.map, order), row_major(dims)[0])


def _take_positions(t: Tracer, v: Traced, d: int, picked: range) -> Traced:
    dim = v.dims[d]
    atom = dim[0]
    if len(dim) > 1:  # whole rows of the outer digit, or nothing
        inner = size_of(dim[1:])
        if picked.step != 1 or picked.start % inner or len(picked) % inner:
            raise cannot(f"slice: {picked} of dimension {d} is no box of positions", v)
        shape = v.shape
        split = layout.reshape(v.dims, (*shape[:d], atom.size, inner, *shape[d + 1 :]))
        rows = range(picked.start // inner, (picked.start + len(picked)) // inner)
        part = _take_positions(t, replace(v, dims=split), d, rows)
        joined = layout.reshape(part.dims, (*shape[:d], len(picked), *shape[d + 1 :]))
        return replace(part, dims=joined)
    axis, size, stride = atom
    if not is_spatial(atom):
        raise cannot(f"slice: dimension {d} cannot be cut", v)
    total = v.map.shape[axis]
    if size == total:
        cut = picked
    elif stride * size == total and picked.step == 1:  # the outermost digit
        cut = range(picked.start * stride, picked.stop * stride)
    elif stride == 1 and len(picked) == 1:  # one value of the innermost digit
        cut = range(picked.start, total, size)
    else:
        raise cannot(f"slice: {picked} of dimension {d} is no box of positions", v)
    made = _sliced(t, v.map, axis, cut)
    dims = list(v.dims)
    dims[d] = whole(axis, len(picked)) if size == total else (Atom(axis, len(picked), stride),)
    if stride == 1 and size != total:  # the digits outside lose their inner one
        dims = [
            tuple(a._replace(stride=a.stride // size) if a.axis == axis else a for a in dim)
            for dim in dims
        ]
        dims[d] = ()
    return Traced(made, tuple(layout.joined(dim) for dim in dims))


def _sliced(t: Tracer, x: FeatureMap, axis: int, cut: range) -> FeatureMap:
    none: list[int | None] = [None] * len(x.shape)
    stop = cut.start + len(cut) * cut.step
    bounds = {
        "start": cut.start if cut.start or cut.step < 0 else None,
        "stop": None if stop < 0 or (cut.step > 0 and stop >= x.shape[axis]) else stop,
        "step": None if cut.step == 1 else cut.step,
    }
    params: dict[str, Any] = {}
    for key, value in bounds.items():
        values = list(none)
        values[axis] = value
        params[key] = values[0] if len(values) == 1 else None if value is None else values
    return t.add("slice", x, **params)


def _with(v: Traced, d: int, dim: Dim) -> Traced:
    return replace(v, dims=(*v.dims[:d], dim, *v.dims[d + 1 :]))


def split(t: Tracer, v: Traced, sizes: Sequence[int], d: int) -> list[Traced]:
    """A dimension cut into parts."""
    parts, start = [], 0
    for size in sizes:
        parts.append(take(t, v, d, range(start, start + size)))
        start += size
    return parts


def select(t: Tracer, v: Traced, d: int, index: int) -> Traced:
    """One position of a dimension, which goes away."""
    d %= v.ndim
    n = v.shape[d]
    if not -n <= index < n:
        raise LayerError(f"select: index {index} is outside dimension {d} of size {n}")
    v = take(t, v, d, range(index % n, index % n + 1))
    if isinstance(v, Constant):  # a class token that nothing has been added to yet
        return ragged.row_of(Constant(v.shape[:d] + v.shape[d + 1 :]))
    return arranged(t, v, lambda dims: dims[:d] + dims[d + 1 :])


def flip(t: Tracer, v: Traced, at: Sequence[int]) -> Traced:
    """Dimensions read backwards."""
    for d in at:
        v = take(t, v, d, range(v.shape[d] - 1, -1, -1))
    return v


def roll(t: Tracer, v: Traced, shifts: Sequence[int], at: Sequence[int]) -> Traced:
    """Dimensions shifted circularly."""
    v = t.real(v)
    moves = [0] * len(v.map.shape)
    for shift, d in zip(shifts, at, strict=True):
        d %= v.ndim
        n = v.shape[d]
        if shift % n == 0:
            continue
        if not all(is_channel(a) for a in v.dims[d]):
            v = apart(t, v)
        dim = v.dims[d]
        if all(is_channel(a) for a in dim):
            v = take_channels(t, v, d, [(i - shift) % n for i in range(n)])
        elif dim == whole(dim[0].axis, n) and is_spatial(dim[0]):
            moves[dim[0].axis] += shift
        else:
            raise cannot(f"roll: dimension {d} is not one axis", v)
    if any(moves):
        made = t.add("roll", v.map, shift=moves[0] if len(moves) == 1 else moves)
        v = replace(v, map=made)
    return v
