"""Products of two tensors, attention among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.importers import layout, ragged
from erfgraph.importers.contract import added, contract, copies_read, linear
from erfgraph.importers.layout import (
    KEY,
    Atom,
    Dim,
    is_channel,
    is_spatial,
    joined,
    size_of,
)
from erfgraph.importers.masks import masked
from erfgraph.importers.merging import join
from erfgraph.importers.tracer import Tracer, cannot, tidy
from erfgraph.importers.trained import numbers_of, then
from erfgraph.importers.values import Constant, Pieces, PieceWeights, Traced, in_a_row


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
        given = numbers_of(b)
        if len(b.shape) == 1:
            row = then(given, lambda w: w[None])
            return _drop(contract(t, a, [-1], "linear", 1, row), a.ndim - 1)
        turned = then(given, _columns_first)
        return _batched(linear(t, a, b.shape[-1], weight=turned), b.shape[:-2], 2)
    assert isinstance(b, Traced)
    at = -2 if b.ndim > 1 else -1
    given = numbers_of(a)
    if len(a.shape) == 1:
        row = then(given, lambda w: w[None])
        return _drop(contract(t, b, [at], "linear", 1, row), (b.ndim + at) % b.ndim)
    rows = then(given, lambda w: w.reshape(w.shape[-2:]))
    return _batched(contract(t, b, [at], "linear", a.shape[-2], rows), a.shape[:-2], 2)


def _columns_first(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(weight.shape[-2:]).T


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
    if isinstance(a, Pieces) and isinstance(b, Pieces) and a.d == a.ndim - 1 and b.d == b.ndim - 2:
        both = zip(a.parts, b.parts, strict=True)
        found = [_bilinear_part(t, *pair) for pair in both if any(map(_is_traced, pair))]
        return added(t, found)
    if isinstance(b, Pieces) and b.d == b.ndim - 2:  # weights of a constant query
        return attended(t, Constant(a.shape), b)
    if isinstance(a, Pieces) and a.d == a.ndim - 2 and not _has_positions(b):
        return ragged.row_of(in_a_row(a.d, [_bilinear_part(t, part, b) for part in a.parts]))
    of_queries = not isinstance(a, Pieces) or a.d == a.ndim - 2
    of_keys = not isinstance(b, Pieces) or b.d == b.ndim - 1
    if not of_queries or not of_keys or a.keys is not None or b.keys is not None:
        raise cannot("a product over positions of different maps", a)
    batch = layout.aligned(a.dims[:-2], max(a.ndim, b.ndim) - 2)
    return PieceWeights(a.map, (*batch, a.dims[-2], b.dims[-1]), keys=b.map, queries=a)


def _is_traced(v: Traced | Constant) -> bool:
    return isinstance(v, Traced)


def _has_positions(v: Traced) -> bool:
    """Whether a matrix has positions, of one map or several; else it has channels only."""
    return isinstance(v, Pieces) or any(map(is_spatial, (*v.dims[-2], *v.dims[-1])))


def _bilinear_part(t: Tracer, a: Traced | Constant, b: Traced | Constant) -> Traced:
    """A product of parts of rows, of which one may be a constant."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        return _bilinear(t, a, b)
    if isinstance(a, Traced):
        return contract(t, a, [-1], "linear", b.shape[-1])
    assert isinstance(b, Traced)
    return contract(t, b, [-2], "linear", a.shape[-2])


def _bilinear(t: Tracer, a: Traced, b: Traced) -> Traced:
    """A product that reads both factors: each is summed by itself, then they are joined.

    Where rows or columns are positions of one factor, the other is the same for all of them.
    """
    columns = 1 if any(map(is_spatial, b.dims[-1])) else b.shape[-1]
    rows = 1 if any(map(is_spatial, a.dims[-2])) else a.shape[-2]
    left = contract(t, a, [-1], "linear", columns)
    right = contract(t, b, [-2], "linear", rows)
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
    values = copies_read(t, values, -2)
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
        times = [n // m for n, m in zip(query_shape, pooled.map.shape, strict=True)]
        if any(n % m for n, m in zip(query_shape, pooled.map.shape, strict=True)):
            raise cannot(f"attention of positions {query_shape} to windows", values)
        grown = pooled.map
        if query_shape != grown.shape:
            grown = t.add("upsample", grown, size=tidy(query_shape))
        # a window that was one position is now the positions that ask in it
        dims = [
            tuple(a._replace(stride=a.stride * times[a.axis]) if is_spatial(a) else a for a in dim)
            for dim in pooled.dims
        ]
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
        return added(t, [attended(t, queries, part) for part in own])
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
