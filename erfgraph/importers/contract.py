"""Sums over dimensions: linear layers, means, pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from erfgraph.featuremap import FeatureMap
from erfgraph.importers import moves, ragged
from erfgraph.importers.arrange import apart
from erfgraph.importers.layout import (
    REPEAT,
    Atom,
    Dim,
    Dims,
    channel_order,
    channels,
    is_channel,
    is_spatial,
    joined,
    repeats,
    row_major,
    size_of,
    whole,
)
from erfgraph.importers.merging import join
from erfgraph.importers.tracer import Tracer, cannot, tidy
from erfgraph.importers.trained import of_sum
from erfgraph.importers.values import Constant, Numbers, Pieces, Statistic, Traced, in_a_row

FEW = 8  # copies up to which a sum of them is an addition of so many terms


def contract(
    t: Tracer,
    v: Traced,
    reduced: Sequence[int],
    how: str,
    features: int | None = None,
    weight: Numbers | None = None,
) -> Traced:
    """Reduce dimensions of a tensor to one number each, or to features.

    Parameters
    ----------
    t : Tracer
    v : Traced
    reduced : sequence of int
        Dimensions, of channels or positions or both.
    how : {"linear", "avg_pool", "max_pool"}
        Whether a weighted sum makes each of some features, or a pool is taken.
    features : int, optional
        For ``"linear"``: how many; they stand in the last of the dimensions. What reads
        positions only, beside channels in other dimensions, makes positions again (the mixing
        of tokens): all of them are the same sum.
    weight : callable, optional
        For ``"linear"``: gives the trained weight, (features, what is reduced in order).

    Returns
    -------
    Traced
        With the reduced dimensions kept, of size 1 or of features.
    """
    reduced = sorted(d % v.ndim for d in reduced)
    if isinstance(v, Pieces):
        return _of_rows(t, v, reduced, how, features, weight)
    v = t.real(v)
    if v.keys is not None:
        return _among_heads(v, reduced, features)
    if max(reduced) > 1:
        v = apart(t, v)  # a pixel shuffle before it
    stays = how == "linear" and _stays_positions(v, reduced)
    for d in reduced:
        if _holds_copies(v, d):
            v, weight = copies_read(t, v, d), None
    atoms = [a for d in reduced for a in v.dims[d]]
    kept = [a for d, dim in enumerate(v.dims) if d not in reduced for a in dim]
    groups = [a for a in kept if is_channel(a)]
    mixed = [a for a in atoms if a.axis < 0]
    n = math.prod(a.size for a in groups)
    of_each = 1 if stays else features or 1
    x = t.view(v.map, channel_order([*groups, *mixed]))
    dims = [() if d in reduced else dim for d, dim in enumerate(v.dims)]
    digits = [a for a in atoms if is_spatial(a)]
    spaced = None
    if digits:
        kernel, dilation, dims = _windows(v, digits, dims)
        full = [k == size for k, size in zip(kernel, x.shape, strict=True)]
        stride = [k if d == 1 else 1 for k, d in zip(kernel, dilation, strict=True)]
        spaced = tidy(dilation) if any(d > 1 for d in dilation) else None
        if how == "linear" and all(full) and n == 1:
            x = t.add("linear", x, between=stays, channels=of_each)
        elif how == "linear":
            x = t.add(
                "conv",
                x,
                between=stays,
                kernel=tidy(kernel),
                stride=tidy(stride),
                dilation=spaced,
                groups=n,
                channels=n * of_each,
            )
        elif all(full):
            x = t.add("global_pool", x, between=bool(mixed))
        else:
            x = t.add(
                how,
                x,
                between=bool(mixed),
                kernel=tidy(kernel),
                stride=tidy(stride),
                dilation=spaced,
            )
    elif how == "linear":
        x = t.add("conv", x, kernel=1, groups=n, channels=n * of_each)
    if how == "linear" and not stays:  # else each position that it makes has its own
        size = kernel if digits else [1] * len(x.shape)
        t.weigh(x, of_sum(weight, atoms, size, n))
    if stays:
        grown = _as_positions(t, v, x, reduced, features or 1, spaced is not None)
        if grown is not None:
            return grown
        dims[reduced[-1]] = repeats(features or 1)
        return Traced(x, row_major(dims)[0])
    if how == "linear":
        dims[reduced[-1]] = channels(of_each)
    elif mixed:
        x = t.add("channel_pool", x, channels=n)
    return Traced(x, row_major(dims)[0])


def _as_positions(
    t: Tracer, v: Traced, x: FeatureMap, reduced: Sequence[int], features: int, spaced: bool
) -> Traced | None:
    """What a linear layer made of positions, at positions of the axes that it was made of.

    All of them are the same sum, `x`. None where the axes do not hold as many.
    """
    d, *others = reversed(reduced)
    atoms = v.dims[d]
    axis = atoms[0].axis if atoms else REPEAT
    if others or axis < 0:
        return None
    size, dims = list(v.map.shape), list(v.dims)
    if atoms == whole(axis, size[axis]):
        size = list(x.shape)
        size[axis] = features
        dims[d] = whole(axis, features)
    elif spaced or features != size_of(atoms) or any(a.axis == REPEAT for a in atoms):
        return None
    grown = x if x.shape == tuple(size) else t.add("upsample", x, size=tidy(size))
    return Traced(grown, row_major(dims)[0])


def _of_rows(
    t: Tracer,
    v: Pieces,
    reduced: Sequence[int],
    how: str,
    features: int | None,
    weight: Numbers | None,
) -> Traced:
    """Each part of a row by itself; their sum where the row itself is reduced."""
    made: list[Traced | Constant] = []
    for part in v.parts:
        if isinstance(part, Traced):
            if v.d in reduced:
                part = copies_read(t, t.real(part), v.d)
            own = weight if v.d not in reduced else None
            made.append(contract(t, part, reduced, how, features, own))
        else:
            sizes = [1 if d in reduced else n for d, n in enumerate(part.shape)]
            sizes[reduced[-1]] = features or 1
            made.append(Constant(tuple(sizes)))
    if v.d not in reduced:
        return ragged.row_of(in_a_row(v.d, made))
    return added(t, [p for p in made if isinstance(p, Traced)])


def added(t: Tracer, parts: Sequence[Traced]) -> Traced:
    """The sum of several tensors."""
    found = parts[0]
    for part in parts[1:]:
        found = join(t, "add", found, part)
    return found


def _among_heads(v: Traced, reduced: Sequence[int], features: int | None) -> Traced:
    """Attention weights whose heads are mixed stay attention weights."""
    if any(a.axis >= 0 for d in reduced for a in v.dims[d]):
        raise cannot("a sum of attention weights cannot be represented", v)
    dims = [() if d in reduced else dim for d, dim in enumerate(v.dims)]
    dims[reduced[-1]] = channels(features or 1)
    return replace(v, dims=tuple(dims))


def _windows(
    v: Traced, digits: Sequence[Atom], dims: Sequence[Dim]
) -> tuple[list[int], list[int], list[Dim]]:
    """The windows that reduced digits of positions are: kernel and dilation per axis.

    Inner digits are neighbouring positions, outer ones are equally spaced. The strides of the
    digits that are left follow.
    """
    shape = v.map.shape
    kernel, dilation = [1] * len(shape), [1] * len(shape)
    for axis, size in enumerate(shape):
        own = sorted((a for a in digits if a.axis == axis), key=lambda a: a.stride)
        if not own:
            continue
        kernel[axis] = size_of(tuple(own))
        run = joined(tuple(reversed(own)))
        outer = run[0].stride * run[0].size == size
        if len(run) > 1 or not (run[0].stride == 1 or outer):
            raise cannot("a sum over middle digits of positions cannot be represented", v)
        if run[0].stride > 1:
            dilation[axis] = run[0].stride
    made = []
    for dim in dims:
        atoms = []
        for atom in dim:
            if is_spatial(atom) and kernel[atom.axis] > 1 and dilation[atom.axis] == 1:
                atom = atom._replace(stride=atom.stride // kernel[atom.axis])
            atoms.append(atom)
        made.append(joined(tuple(atoms)))
    return kernel, dilation, made


def tiles(t: Tracer, v: Traced, spatial: Sequence[int], kernel: Sequence[int], how: str) -> Traced:
    """A pool over tiles of dimensions, whatever positions these hold.

    Where dimensions hold windows of a map, or positions of several axes in a row, a pool whose
    windows do not overlap is a sum over the inner part of each.
    """
    shape: list[int] = []
    inner = []
    for d, n in enumerate(v.shape):
        if d in spatial:
            k = kernel[list(spatial).index(d)]
            shape += [n // k, k]
            inner.append(len(shape) - 1)
        else:
            shape.append(n)
    made = contract(t, moves.reshape(t, v, shape), inner, how)
    return moves.squeeze(t, made, inner)


def linear(
    t: Tracer, v: Traced, features: int, d: int = -1, weight: Numbers | None = None
) -> Traced:
    """A linear layer over one dimension; its weight is (features, inputs)."""
    return contract(t, v, [d], "linear", features, weight)


def reduce(
    t: Tracer,
    v: Traced,
    at: Sequence[int] | None,
    keep: bool = False,
    how: str = "avg_pool",
    mean: bool = False,
) -> Traced:
    """A mean, sum, maximum or norm over dimensions; a map of its own once a layer reads it.

    Parameters
    ----------
    t : Tracer
    v : Traced
    at : sequence of int, optional
        Dimensions; default all.
    keep : bool, optional
        Whether they stay, with size 1.
    how : {"avg_pool", "max_pool"}, optional
    mean : bool, optional
        Whether it is a mean, a variance or a standard deviation, as norms take.
    """
    drop = sorted(d % v.ndim for d in (at or range(v.ndim)))
    if v.keys is not None:
        raise cannot("a sum of attention weights cannot be represented", v)

    def without(dims: Dims) -> Dims:
        return tuple(dim for d, dim in enumerate(dims) if keep or d not in drop)

    def make() -> Traced:
        found = contract(t, v, drop, how)
        return replace(found, dims=without(found.dims))

    if isinstance(v, Pieces):
        found = contract(t, v, drop, how)
        return moves.arranged(t, found, without)
    atoms = [a for d in drop for a in v.dims[d] if a.axis != REPEAT]
    left = without(tuple(() if d in drop else dim for d, dim in enumerate(v.dims)))
    if not atoms:  # of one element, which a normalisation may take away from itself
        return t.late(v, left, lambda: replace(t.real(v), dims=left), statistic=True)
    of = Statistic(any(map(is_channel, atoms))) if mean else None
    return t.late(v, left, make, statistic=True, mean=of)


def copies_read(t: Tracer, v: Traced, d: int) -> Traced:
    """One position for the copies along a dimension that a sum reads (class tokens, queries)."""
    n = math.prod(a.size for a in v.dims[d] if a.axis == REPEAT)
    if n == 1:
        return v
    dims = list(v.dims)
    dims[d] = tuple(a for a in v.dims[d] if a.axis != REPEAT)
    if n <= FEW:
        return replace(v, map=t.add("add", *[v.map] * n), dims=tuple(dims))
    times = tidy([n, *[1] * (len(v.map.shape) - 1)])
    x = t.add("upsample", v.map, between=True, scale=times)
    each = {"groups": x.channels, "channels": x.channels}
    x = t.add("conv", x, between=True, kernel=times, stride=times, **each)
    return replace(v, map=x, dims=tuple(dims))


def _holds_copies(v: Traced, d: int) -> bool:
    """Whether a dimension holds copies of positions; copies beside channels are channels."""
    standard = v.ndim == len(v.map.shape) + 2 and not v.dims[0]
    of_channels = any(map(is_channel, v.dims[d])) or (standard and d == 1)
    return not of_channels and any(a.axis == REPEAT for a in v.dims[d])


def _stays_positions(v: Traced, reduced: Sequence[int]) -> bool:
    """Whether what a linear layer makes of these dimensions is positions, not features."""
    atoms = [a for d in reduced for a in v.dims[d]]
    if not atoms or any(map(is_channel, atoms)):
        return False
    if any(is_channel(a) for d, dim in enumerate(v.dims) if d not in reduced for a in dim):
        return all(is_spatial(a) or _holds_copies(v, d) for d in reduced for a in v.dims[d])
    # of one channel: patches become features, whole axes stay axes
    digits = [a for a in atoms if is_spatial(a)]
    sizes = {a.axis: size_of(tuple(b for b in digits if b.axis == a.axis)) for a in digits}
    return (
        v.ndim > 2
        and v.map.channels == 1
        and all(v.map.shape[axis] == n for axis, n in sizes.items())
    )
