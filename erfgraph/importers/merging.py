"""Where tensors meet: sums, products, gates, and what is only one activation written out."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap
from erfgraph.importers import layout, ragged
from erfgraph.importers.arrange import apart, expanded, laid_out, settle
from erfgraph.importers.layout import (
    REPEAT,
    Atom,
    Dim,
    Dims,
    aligned,
    channel_order,
    is_channel,
    is_spatial,
    row_major,
    size_of,
)
from erfgraph.importers.masks import masked
from erfgraph.importers.moves import take
from erfgraph.importers.passing import (
    UNKNOWN,
    common,
    normalises,
    of_handle,
    run,
    together,
    with_number,
)
from erfgraph.importers.tracer import Tracer, cannot, tidy
from erfgraph.importers.values import Constant, Curve, Pieces, Through, Traced, in_a_row

Operand = Traced | Constant | int | float | bool | None

# what an operation makes of two functions of the same unit: a second reading of the unit, or
# one activation of it
SUMS = ("add", "sub", "max")
FACTORS = ("mul", "div", "pow")


@dataclass(frozen=True, slots=True)
class Met:
    """Tensors brought to one arrangement of positions and channels.

    Attributes
    ----------
    maps : list of FeatureMap
        Channels in the same order; one channel may stand for all, and one position for all
        of an axis.
    dims : Dims
        Of the result.
    shape : tuple of int
        Spatial shape of the result.
    """

    maps: list[FeatureMap]
    dims: Dims
    shape: tuple[int, ...]


def meet(t: Tracer, values: Sequence[Traced], front: int | None = None) -> Met:
    """Bring tensors to one arrangement, broadcast as NumPy does.

    Parameters
    ----------
    t : Tracer
    values : sequence of Traced
        Of shapes that broadcast to one; none of them late.
    front : int, optional
        A dimension along which they differ (concatenation): its channels come first, and it
        is left empty in the result.

    Raises
    ------
    LayerError
        If one tensor has positions where another has others.
    """
    try:
        return _met(t, values, front)
    except LayerError:
        others = [apart(t, v) for v in values]
        if all(a is b for a, b in zip(values, others, strict=True)):
            raise
        return _met(t, others, front)


def _met(t: Tracer, values: Sequence[Traced], front: int | None) -> Met:
    ndim = max(v.ndim for v in values)
    values = [replace(v, dims=aligned(v.dims, ndim)) for v in values]
    if _disagree([v.dims for v in values]):
        values = [laid_out(t, v) for v in values]
    # what has most elements of its own keeps its arrangement, the others follow
    first = max(values, key=lambda v: (_elements(v), math.prod(v.map.shape)))
    lead = [first, *(v for v in values if v is not first)]
    target = [() if d == front else _target([v.dims[d] for v in lead]) for d in range(ndim)]
    values = [_spread_out(t, v, target, front) for v in values]
    shape = tuple(max(sizes) for sizes in zip(*(v.map.shape for v in values), strict=True))
    maps = []
    for v in values:
        for d, dim in enumerate(target):
            _check_same(v, d, dim, values)
        order: list[Atom] = [] if front is None else [a for a in v.dims[front] if a.axis < 0]
        for d, dim in enumerate(target):
            if d != front:
                order += _channel_part(v.dims[d], dim)
        alone = v.map.channels == 1 and front is None
        maps.append(v.map if alone else t.view(v.map, channel_order(order)))
    return Met(maps, row_major(target)[0], shape)


def _disagree(tensors: Sequence[Dims]) -> bool:
    """Whether one tensor has channels in a dimension in which another has positions."""
    for dims in zip(*tensors, strict=True):
        of_channels = any(dim and all(map(is_channel, dim)) for dim in dims)
        if of_channels and any(dim and all(map(is_spatial, dim)) for dim in dims):
            return True
    return False


def _elements(v: Traced) -> int:
    return math.prod(a.size for dim in v.dims for a in dim if a.axis != REPEAT)


def _target(dims: Sequence[Dim]) -> Dim:
    """What the result has in a dimension: what the first has that is more than copies."""
    for dim in dims:
        if any(is_spatial(a) or is_channel(a) for a in dim):
            return dim
    return max(dims, key=size_of)


def _channel_part(dim: Dim, target: Dim) -> list[Atom]:
    """The channels of a dimension; those of the target again and again where it has none."""
    own = [a for a in dim if is_channel(a)]
    return own or [Atom(REPEAT, a.size, 0) for a in target if is_channel(a)]


def _spread_out(t: Tracer, v: Traced, target: Sequence[Dim], front: int | None) -> Traced:
    """Channels that stand where the result has positions become positions, and vice versa."""
    spatial = []
    sizes: list[int] = []
    for d, dim in enumerate(target):
        if d != front and any(map(is_channel, dim)) and any(map(is_spatial, v.dims[d])):
            v = settle(t, v, d, ())
        own = v.dims[d]
        turns = any(map(is_spatial, dim)) and not any(map(is_spatial, own))
        if d == front or not turns or not any(map(is_channel, own)):
            sizes.append(size_of(own))
        else:
            spatial += [len(sizes) + i for i in range(len(dim))]
            sizes += [a.size for a in dim]
    if not spatial:
        return v
    split = replace(v, dims=layout.reshape(v.dims, sizes))
    made = settle(t, split, None, spatial)
    return replace(made, dims=layout.reshape(made.dims, [size_of(dim) for dim in v.dims]))


def _check_same(v: Traced, d: int, target: Dim, values: Sequence[Traced]) -> None:
    """Refuse a tensor whose dimension holds other positions than the result's."""
    own = [(a.axis, a.size) for a in v.dims[d] if is_spatial(a)]
    want = [(a.axis, a.size) for a in target if is_spatial(a)]
    if own and own != want:
        others = " and ".join(str(other.shape) for other in values)
        raise cannot(f"tensors of shapes {others} have different positions in dimension {d}", v)


# --- joining different maps ---------------------------------------------------------------


def join(t: Tracer, op: str, a: Traced, b: Traced) -> Traced:
    """Two tensors of different maps, added or multiplied position by position.

    A factor that is broadcast over positions is a gate, and a term is first spread.
    """
    met = meet(t, [t.real(a), t.real(b)])
    x, y = met.maps
    if op == "multiply":
        gate = _gate(t, x, y)
        if gate is not None:
            if gate[0].channels == 1 and gate[1].channels > 1:
                wide = t.view(gate[0], (0,) * gate[1].channels)
                gate = (wide, gate[1])
            return Traced(t.add("gate", *gate), met.dims)
    maps = [_to_shape(t, m, met.shape) for m in (x, y)]
    return Traced(t.add(op, *maps), met.dims)


def _gate(t: Tracer, x: FeatureMap, y: FeatureMap) -> tuple[FeatureMap, FeatureMap] | None:
    """(what passes, its gate), if one of two factors is broadcast over positions."""
    for big, small in ((x, y), (y, x)):
        fits = all(n in (1, m) for n, m in zip(small.shape, big.shape, strict=True))
        pooled = small.index in t.pooled and big.index not in t.pooled
        if fits and (big.shape != small.shape or pooled):
            return big, small
    return None


def _to_shape(t: Tracer, x: FeatureMap, shape: tuple[int, ...]) -> FeatureMap:
    if x.shape == shape:
        return x
    return t.add("upsample", x, between=True, size=tidy(shape))


# --- elementwise operations of two operands -----------------------------------------------


# the function of two arrays that each kind is, unless it is said otherwise
CURVES: dict[str, Curve] = {"add": np.add, "sub": np.subtract}


def combine(
    t: Tracer, kind: str, a: Operand, b: Operand, curve: Curve | None = None
) -> Traced | Constant:
    """An elementwise operation of two operands.

    Parameters
    ----------
    t : Tracer
    kind : {"add", "sub", "max", "mul", "div", "pow"}
        What it is like.
    a, b : Traced, Constant or number
    curve : callable, optional
        The operation as a function of two arrays; default that of a sum or difference.

    Notes
    -----
    Functions of the same unit are told from different maps: ``x * sigmoid(x)`` is one
    activation, ``x - mean(x)`` a normalisation, ``x + x`` reads x twice. Different channels of
    one map are different maps.
    """
    curve = curve or CURVES.get(kind)
    if not isinstance(a, Traced) or not isinstance(b, Traced):
        v, other = (a, b) if isinstance(a, Traced) else (b, a)
        if not isinstance(v, Traced):
            raise LayerError(f"{kind}: neither operand depends on the input")
        if v.keys is not None and kind == "add" and isinstance(other, Constant):
            return masked(v, other)
        grown = with_constant(t, v, other)
        made: Traced = t.through(grown, with_number(grown, kind, curve, other, first=v is b))
        return made
    if isinstance(a, Pieces) or isinstance(b, Pieces):
        d, pairs = ragged.paired(t, [a, b], take)
        return in_a_row(d, [_each(t, kind, p, q, curve) for p, q in pairs])
    if a.keys is not None or b.keys is not None:
        return _with_weights(kind, a, b)
    if same_channels(a, b) and _same_units(a, b):
        return _same_map(t, kind, a, b, curve)
    return join(t, "multiply" if kind in FACTORS else "add", a, b)


def same_channels(a: Traced, b: Traced) -> bool:
    """Whether two tensors are of the same map, or the same channels of it."""
    return a.map.index == b.map.index and a.map.view == b.map.view


def _each(
    t: Tracer, kind: str, a: Traced | Constant, b: Traced | Constant, curve: Curve | None
) -> Traced | Constant:
    if isinstance(a, Traced) or isinstance(b, Traced):
        return combine(t, kind, a, b, curve)
    return a if math.prod(a.shape) >= math.prod(b.shape) else b


def _with_weights(kind: str, a: Traced, b: Traced) -> Traced:
    """Attention weights stay what they are, biased or scaled; what they scale stays too."""
    weights, other = (a, b) if a.keys is not None else (b, a)
    larger = other.keys is None and math.prod(other.shape) > math.prod(weights.shape)
    return other if kind in FACTORS and larger else weights


def with_constant(t: Tracer, v: Traced, other: Operand) -> Traced:
    """A traced tensor after an elementwise operation with something that is not."""
    if not isinstance(other, Constant) or _fits(other.shape, v.shape):
        return v
    ndim = max(v.ndim, len(other.shape))
    own = (1,) * (ndim - v.ndim) + v.shape
    sizes = (1,) * (ndim - len(other.shape)) + other.shape
    return expanded(t.made(v), [max(n, m) for n, m in zip(own, sizes, strict=True)])


def _fits(small: Sequence[int], big: Sequence[int]) -> bool:
    """Whether broadcasting leaves the larger shape as it is."""
    if len(small) > len(big):
        return False
    tail = big[len(big) - len(small) :]
    return all(n in (1, m) for n, m in zip(small, tail, strict=True))


def _same_units(a: Traced, b: Traced) -> bool:
    """Whether two tensors of one map have the same units and channels at the same places."""
    ndim = max(a.ndim, b.ndim)
    for p, q in zip(aligned(a.dims, ndim), aligned(b.dims, ndim), strict=True):
        mine, other = ([x for x in dim if x.axis != REPEAT] for dim in (p, q))
        if mine and other and mine != other:
            return False
    return True


def _same_map(t: Tracer, kind: str, a: Traced, b: Traced, curve: Curve | None) -> Traced:
    """Two functions of the same unit: one activation, a normalisation, or two readings."""
    common_late = 0
    for x, y in zip(a.late, b.late, strict=False):
        if x is not y:
            break
        common_late += 1
    shared = a.late[:common_late]
    beyond = [v.late[common_late:] for v in (a, b)]
    statistic = [bool(late) and all(step.statistic for step in late) for late in beyond]
    one = _one_function(t, a, b, common_late, curve)
    passes_on: Traced | None = None
    if kind in FACTORS:
        if not beyond[0] or (statistic[1] and not statistic[0]) or all(statistic):
            passes_on = a
        elif not beyond[1] or statistic[0]:
            passes_on = b
        else:
            passes_on = one
    elif kind == "sub" and any(statistic):
        passes_on = b if statistic[0] and not statistic[1] else a
    ndim = max(a.ndim, b.ndim)
    pairs = zip(aligned(a.dims, ndim), aligned(b.dims, ndim), strict=True)
    dims = tuple(_target(pair) for pair in pairs)
    if passes_on is not None:
        if layout.shape_of(dims)[ndim - passes_on.ndim :] == passes_on.shape:
            if not any(statistic):
                return replace(one, dims=passes_on.dims)
            return _normalised(t, kind, passes_on, b if passes_on is a else a, curve)
        return join(t, "multiply" if kind in FACTORS else "add", a, b)
    base = replace(a, late=shared, passed=())
    passed = one.passed if not any(statistic) and one.map is a.map else None
    make = functools.partial(join, t, "add", a, b)
    return t.late(base, dims, make, statistic=all(statistic), passed=passed)


def _one_function(t: Tracer, a: Traced, b: Traced, late: int, curve: Curve | None) -> Traced:
    """An operation on two tensors as a function of the map, or late value, of both."""
    left, right = (_functions(v, late) for v in (a, b))
    base = replace(a, late=a.late[:late])
    if late == 0 and a.map.key != b.map.key:
        first, second = (of_handle(v.map, t.net.scales) for v in (a, b))
        n = common(first, second)
        base = replace(base, map=t.plain(a.map, n))
        left = None if left is None else (*first[n:], *left)
        right = None if right is None else (*second[n:], *right)
    if left is None or right is None:  # a late value that is no function of one element
        known = left if left is not None else right
        return replace(base, passed=(*(known or ()), UNKNOWN))
    n = common(left, right)
    return replace(base, passed=(*left[:n], together(curve, left[n:], right[n:])))


def _functions(v: Traced, late: int) -> tuple[Through, ...] | None:
    """What a tensor has been through since one of its late values; None if that is not known."""
    found = v.passed
    for step in reversed(v.late[late:]):
        if step.passed is None:
            return None
        found = (*step.passed, *found)
    return found


def _normalised(t: Tracer, kind: str, v: Traced, other: Traced, curve: Curve | None) -> Traced:
    """A tensor after a statistic of it was taken away, or has divided it."""
    mean = other.late[-1].mean if other.late else None
    if mean is None:
        return v

    def factor(x: Any) -> Any:
        by = run(other.passed, x)
        return 0 * x + 1 if by is None or curve is None else curve(np.ones_like(x), by)

    centred = any(f.centres for f in v.passed)
    function = None
    if kind == "sub":
        function = Through(centres=True)
    elif not normalises(mean, factor):
        pass
    elif mean.channels:
        function = Through("layer_norm" if centred else "rms_norm")
    elif centred:
        function = Through("instance_norm")
    found: Traced = t.through(v, function)
    return found
