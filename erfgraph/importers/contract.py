"""Sums over dimensions: linear layers, matrix products, means; and attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from erfgraph.errors import LayerError
from erfgraph.importers import layout, moves, ragged
from erfgraph.importers.layout import (
    KEY,
    REPEAT,
    Atom,
    Dim,
    Dims,
    channel_order,
    channels,
    is_channel,
    is_spatial,
    joined,
    row_major,
    size_of,
)
from erfgraph.importers.masks import masked
from erfgraph.importers.merging import join
from erfgraph.importers.tracer import Tracer, cannot, tidy
from erfgraph.importers.values import Constant, Pieces, PieceWeights, Traced, in_a_row


def contract(
    t: Tracer, v: Traced, reduced: Sequence[int], how: str, features: int | None = None
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
        For ``"linear"``: how many; they stand in the last of the dimensions.

    Returns
    -------
    Traced
        With the reduced dimensions kept, of size 1 or of features.
    """
    reduced = sorted(d % v.ndim for d in reduced)
    if isinstance(v, Pieces):
        return _of_rows(t, v, reduced, how, features)
    v = t.real(v)
    if v.keys is not None:
        return _among_heads(v, reduced, features)
    atoms = [a for d in reduced for a in v.dims[d]]
    kept = [a for d, dim in enumerate(v.dims) if d not in reduced for a in dim]
    groups = [a for a in kept if is_channel(a)]
    mixed = [a for a in atoms if is_channel(a)]
    n = math.prod(a.size for a in groups)
    x = t.view(v.map, channel_order([*groups, *mixed]))
    dims = [() if d in reduced else dim for d, dim in enumerate(v.dims)]
    digits = [a for a in atoms if is_spatial(a)]
    if digits:
        kernel, dilation, dims = _windows(v, digits, dims)
        full = [k == size for k, size in zip(kernel, x.shape, strict=True)]
        stride = [k if d == 1 else 1 for k, d in zip(kernel, dilation, strict=True)]
        spaced = tidy(dilation) if any(d > 1 for d in dilation) else None
        if how == "linear" and all(full) and n == 1:
            x = t.add("linear", x, channels=features)
        elif how == "linear":
            x = t.add(
                "conv",
                x,
                kernel=tidy(kernel),
                stride=tidy(stride),
                dilation=spaced,
                groups=n,
                channels=n * (features or 1),
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
        x = t.add("conv", x, kernel=1, groups=n, channels=n * (features or 1))
    if how == "linear":
        dims[reduced[-1]] = channels(features or 1)
    elif mixed:
        x = t.add("channel_pool", x, channels=n)
    return Traced(x, row_major(dims)[0])


def _of_rows(
    t: Tracer, v: Pieces, reduced: Sequence[int], how: str, features: int | None
) -> Traced:
    """Each part of a row by itself; their sum where the row itself is reduced."""
    made: list[Traced | Constant] = []
    for part in v.parts:
        if isinstance(part, Traced):
            if v.d in reduced:
                part = _copies_read(t, t.real(part), v.d)
            made.append(contract(t, part, reduced, how, features))
        else:
            sizes = [1 if d in reduced else n for d, n in enumerate(part.shape)]
            sizes[reduced[-1]] = features or 1
            made.append(Constant(tuple(sizes)))
    if v.d not in reduced:
        return ragged.row_of(in_a_row(v.d, made))
    return _added(t, [p for p in made if isinstance(p, Traced)])


def _added(t: Tracer, parts: Sequence[Traced]) -> Traced:
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


def linear(t: Tracer, v: Traced, features: int, d: int = -1) -> Traced:
    """A linear layer over one dimension."""
    return contract(t, v, [d], "linear", features)


def reduce(
    t: Tracer, v: Traced, at: Sequence[int] | None, keep: bool = False, how: str = "avg_pool"
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
    return t.late(v, left, make, statistic=True)


# --- products of two tensors --------------------------------------------------------------


def matmul(t: Tracer, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """A matrix product, batched and broadcast as NumPy's.

    With a constant it is a linear layer. A product of two traced tensors over channels gives
    attention weights, and attention weights times values is attention: every query reads every
    value, channel by channel. Any other product reads both its factors.
    """
    if isinstance(a, Traced) and isinstance(b, Traced):
        return _product(t, a, b)
    if isinstance(b, Constant):
        assert isinstance(a, Traced)
        if len(b.shape) == 1:
            return _drop(contract(t, a, [-1], "linear", 1), a.ndim - 1)
        return _batched(linear(t, a, b.shape[-1]), b.shape[:-2], 2)
    assert isinstance(b, Traced)
    at = -2 if b.ndim > 1 else -1
    if len(a.shape) == 1:
        return _drop(contract(t, b, [at], "linear", 1), (b.ndim + at) % b.ndim)
    return _batched(contract(t, b, [at], "linear", a.shape[-2]), a.shape[:-2], 2)


def _drop(v: Traced, d: int) -> Traced:
    return replace(v, dims=v.dims[:d] + v.dims[d + 1 :])


def _batched(v: Traced, batch: Sequence[int], core: int) -> Traced:
    """The result with the batch dimensions of a constant that had more of them."""
    own = v.shape[: v.ndim - core]
    beyond = math.prod(batch[: max(len(batch) - len(own), 0)])
    pairs = zip(reversed(batch), reversed(own), strict=False)
    if beyond == 1 and all(n in (1, m) for n, m in pairs):
        return v
    raise cannot("a product with a batch of constant matrices cannot be represented", v)


def _product(t: Tracer, a: Traced, b: Traced) -> Traced:
    if isinstance(a, Pieces) or isinstance(b, Pieces):
        return _product_of_rows(t, a, b)
    a, b = t.real(a), t.real(b)
    if a.keys is not None and b.keys is None:
        return _attend(t, a, b)
    if b.keys is not None and a.keys is None:
        turned = layout.swap(b.dims, -2 % b.ndim, -1 % b.ndim)
        values = replace(a, dims=layout.swap(a.dims, -2 % a.ndim, -1 % a.ndim))
        found = _attend(t, replace(b, dims=turned), values)
        return replace(found, dims=layout.swap(found.dims, -2 % found.ndim, -1 % found.ndim))
    rows, summed, cols = a.dims[-2], a.dims[-1], b.dims[-1]
    scores = not any(map(is_spatial, (*summed, *b.dims[-2]))) and not any(
        map(is_channel, (*rows, *cols))
    )
    return _scores(a, b, cols) if scores else _bilinear(t, a, b)


def _scores(a: Traced, b: Traced, cols: Dim) -> Traced:
    """Attention weights: of every position of one for every position of the other."""
    keyed = tuple(x._replace(axis=KEY + x.axis) if is_spatial(x) else x for x in cols)
    batch = layout.aligned(a.dims[:-2], max(a.ndim, b.ndim) - 2)
    return Traced(a.map, (*batch, a.dims[-2], keyed), keys=b.map)


def _product_of_rows(t: Tracer, a: Traced, b: Traced) -> Traced:
    if isinstance(a, PieceWeights):
        return attended(t, a.queries, b)
    if isinstance(b, Pieces) and b.d == b.ndim - 2:  # weights of a constant query
        return attended(t, Constant(a.shape), b)
    of_queries = not isinstance(a, Pieces) or a.d == a.ndim - 2
    of_keys = not isinstance(b, Pieces) or b.d == b.ndim - 1
    if not of_queries or not of_keys or a.keys is not None or b.keys is not None:
        raise cannot("a product over positions of different maps", a)
    batch = layout.aligned(a.dims[:-2], max(a.ndim, b.ndim) - 2)
    return PieceWeights(a.map, (*batch, a.dims[-2], b.dims[-1]), keys=b.map, queries=a)


def _bilinear(t: Tracer, a: Traced, b: Traced) -> Traced:
    """A product that reads both factors: each is summed by itself, then they are joined."""
    left = contract(t, a, [-1], "linear", b.shape[-1])
    right = contract(t, b, [-2], "linear", a.shape[-2])
    return join(t, "add", left, right)


def _attend(t: Tracer, weights: Traced, values: Traced) -> Traced:
    """Values, summed over the positions that the weights' last dimension ranges over."""
    if isinstance(weights, PieceWeights):
        return attended(t, weights.queries, values)
    keys = [x for x in weights.dims[-1] if x.axis >= KEY]
    over = tuple(x._replace(axis=x.axis - KEY) for x in keys)
    held = [x for x in values.dims[-2] if is_spatial(x)]
    if [(x.axis, x.size, x.stride) for x in held] != list(over):
        raise cannot("attention over other positions than its values have", values)
    return attention(t, weights.dims[-2], weights.map.shape, values, weights.cuts)


def attention(
    t: Tracer,
    queries: Dim,
    query_shape: tuple[int, ...],
    values: Traced,
    cuts: tuple[tuple[int, ...], ...] = (),
) -> Traced:
    """Attention of queries to values: reads all positions of the values' dimension -2.

    Parameters
    ----------
    t : Tracer
    queries : Dim
        Positions of the queries, dimension -2 of the result.
    query_shape : tuple of int
        Spatial shape of the map of the queries.
    values : Traced
    cuts : tuple of tuple of int, optional
        Per axis, where a mask cuts windows.

    Returns
    -------
    Traced
    """
    values = t.real(values)
    digits = [a for a in values.dims[-2] if is_spatial(a)]
    if any(map(is_channel, values.dims[-2])):  # attention among channels mixes them in place
        return contract(t, values, [-2], "linear", size_of(queries))
    values = _copies_read(t, values, -2)
    shape = values.map.shape
    asked = [a for a in queries if is_spatial(a)]
    if query_shape != shape and _sizes(asked) == _sizes(digits):
        # the queries of one window, shared by all windows: they ask in every window
        asked, queries, query_shape = digits, values.dims[-2], shape
    if any(cuts):
        return _in_cut_windows(t, values, digits, cuts)
    if query_shape != shape or asked != digits:
        # other positions ask: they read what the values' positions give together
        pooled = contract(t, values, [-2], "avg_pool")
        grown = pooled.map
        if query_shape != grown.shape:
            grown = t.add("upsample", grown, size=tidy(query_shape))
        dims = list(pooled.dims)
        dims[-2] = queries
        return Traced(grown, tuple(dims))
    whole_map = all(
        size_of(tuple(a for a in digits if a.axis == axis)) == n for axis, n in enumerate(shape)
    )
    if whole_map:
        made = t.add("attention", values.map)
    else:
        size, spacing = _groups(values, digits)
        spaced = tidy(spacing) if any(d > 1 for d in spacing) else None
        made = t.add("attention", values.map, window=tidy(size), dilation=spaced)
    return replace(values, map=made, dims=(*values.dims[:-2], queries, values.dims[-1]))


def _in_cut_windows(
    t: Tracer, values: Traced, digits: Sequence[Atom], cuts: tuple[tuple[int, ...], ...]
) -> Traced:
    """Windows of a map that was rolled, the last cut where the map wraps around.

    They are windows of the map that was not rolled, the first of which starts at the shift.
    """
    size, spacing = _groups(values, digits)
    shifts = []
    for n, window, cut in zip(values.map.shape, size, cuts, strict=True):
        inside = [p for p in cut if p % window]
        if len(inside) > 1 or n - sum(inside[:1] or [n]) >= window:
            raise cannot("a mask that cuts windows elsewhere than at one seam", values)
        shifts.append(n - inside[0] if inside else 0)
    if any(d > 1 for d in spacing):
        raise cannot("a mask on positions that are spaced apart", values)
    back = tidy(shifts) if len(shifts) > 1 else shifts[0]
    forth = tidy([-n for n in shifts]) if len(shifts) > 1 else -shifts[0]
    x = t.add("roll", values.map, between=True, shift=back)
    x = t.add("attention", x, between=True, window=tidy(size), shift=back)
    return replace(values, map=t.add("roll", x, shift=forth))


def _groups(v: Traced, digits: Sequence[Atom]) -> tuple[list[int], list[int]]:
    """Which positions attend to one another: how many per axis, and how far apart."""
    size, spacing = [1] * len(v.map.shape), [1] * len(v.map.shape)
    for axis in range(len(v.map.shape)):
        own = sorted((a for a in digits if a.axis == axis), key=lambda a: -a.stride)
        run = joined(tuple(own))
        if len(run) > 1:
            raise cannot("attention among positions at uneven distances", v)
        if run:
            size[axis], spacing[axis] = run[0].size, run[0].stride
    return size, spacing


def _sizes(atoms: Sequence[Atom]) -> list[tuple[int, int]]:
    return [(a.axis, a.size) for a in atoms]


def attended(
    t: Tracer,
    queries: Traced | Constant | None,
    values: Traced | Constant,
    keys: Traced | Constant | None = None,
    mask: Traced | Constant | None = None,
) -> Traced:
    """Attention as one operation: every query reads all values that no mask hides."""
    if not isinstance(values, Traced) or queries is None:
        raise LayerError("attention to values that do not depend on the input")
    if isinstance(queries, Pieces):
        rows = [attended(t, part, values) for part in queries.parts]
        return ragged.row_of(in_a_row(rows[0].ndim - 2, rows))
    if isinstance(values, Pieces):
        if values.d != values.ndim - 2:
            raise cannot("attention over positions of different maps", values)
        own = [part for part in values.parts if isinstance(part, Traced)]
        return _added(t, [attended(t, queries, part) for part in own])
    if isinstance(queries, Constant):
        pooled = contract(t, values, [-2], "avg_pool")
        dims = list(pooled.dims)
        dims[-2] = layout.repeats(queries.shape[-2])
        return replace(pooled, dims=tuple(dims))
    values = _for_heads(t.real(values), queries)
    cuts: tuple[tuple[int, ...], ...] = ()
    if isinstance(mask, Constant) and isinstance(keys, Traced) and keys.keys is None:
        weights = _scores(t.real(queries), t.real(keys), keys.dims[-2])
        cuts = masked(weights, mask).cuts
    return attention(t, queries.dims[-2], queries.map.shape, values, cuts)


def _copies_read(t: Tracer, v: Traced, d: int) -> Traced:
    """One position for the copies along a dimension that a sum reads (class tokens, queries)."""
    n = math.prod(a.size for a in v.dims[d] if a.axis == REPEAT)
    if n == 1:
        return v
    dims = list(v.dims)
    dims[d] = tuple(a for a in v.dims[d] if a.axis != REPEAT)
    return replace(v, map=t.add("add", *[v.map] * n), dims=tuple(dims))


def _for_heads(values: Traced, queries: Traced) -> Traced:
    """Values that several heads of queries share, once for each of them."""
    ndim = max(values.ndim, queries.ndim)
    dims = list(layout.aligned(values.dims, ndim))
    asked = layout.aligned(queries.dims, ndim)
    for d in range(ndim - 2):
        times = size_of(asked[d]) // max(size_of(dims[d]), 1)
        if times > 1 and not any(map(is_spatial, asked[d])):
            dims[d] = (*dims[d], *layout.repeats(times))
    return replace(values, dims=tuple(dims))
