"""Chains of layers, axis by axis.

Along a chain, where every map reads one map through a product of axis maps, what a unit's
sweep holds stays a product of one vector per axis: `G = g_y gᵀ_x`. So a chain is swept on each
axis by itself, and only the maps that are wanted are ever formed: the cost falls from the sum
of all maps' areas to the sum of their sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache, reduce

import numpy as np

from erfgraph import memory, wide
from erfgraph.axes import Window
from erfgraph.counts import LARGEST_INT64, Counts
from erfgraph.params import Shape
from erfgraph.plan import Plan, compile_plan
from erfgraph.view import MOST_PLANS, Strand, View, remembered
from erfgraph.wide import Wide

SCALARS = 16  # products of limbs from which on Python's integers are the quicker ones


def axis_views(seen: View) -> tuple[View, ...] | None:
    """One view per axis, equal ones the same object; None if it is no chain of products."""
    return remembered(seen.plans, "axes", lambda: _axis_views(seen))


def _axis_views(seen: View) -> tuple[View, ...] | None:
    ndim = len(seen.shapes[0])
    strands = [s for i in seen.order for s in seen.pushes[i]]
    if seen.asked is not None or ndim < 2 or not strands:
        return None
    if len({s.target for s in strands}) < len(strands) or any(len(s.terms) > 1 for s in strands):
        return None
    made: dict[tuple[object, ...], View] = {}
    views = []
    for axis in range(ndim):
        key = tuple(s.terms[0][axis] for s in strands)
        if key not in made:
            pushes = {
                i: tuple(Strand(s.target, ((s.terms[0][axis],),)) for s in seen.pushes[i])
                for i in seen.order
            }
            made[key] = View(tuple(n[axis : axis + 1] for n in seen.shapes), pushes, seen.order)
        views.append(made[key])
    return tuple(views)


@lru_cache(maxsize=MOST_PLANS)
def factors(plan: Plan) -> tuple[Plan, ...] | None:
    """One plan per axis, equal ones the same object; None if the plan is no chain of products."""
    views = axis_views(plan.seen)
    if views is None:
        return None
    made: dict[tuple[View, Window], Plan] = {}
    for one in zip(views, plan.windows[plan.start], strict=True):
        if one not in made:
            view, window = one
            made[one] = compile_plan(view, plan.start, (window,))
    return tuple(made[one] for one in zip(views, plan.windows[plan.start], strict=True))


def require_room(extents: Iterable[Shape], bound: int, exact: bool, what: str) -> None:
    """Refuse products that do not fit into memory.

    Raises
    ------
    SizeError
    """
    itemsize = 8 * (wide.limbs_for(bound) if exact and bound > LARGEST_INT64 else 1)
    memory.require(itemsize * sum(map(math.prod, extents)), what, "ask for fewer at a time")


def product(parts: list[Counts], bound: int, scale: int) -> Counts:
    """The outer product of one vector per axis.

    Parameters
    ----------
    parts : list of Counts
        All exact or all not, each of shape (n,).
    bound : int
        At least the sum of the products.
    scale : int
        Of the result, if it is not exact.
    """
    if not parts[0].exact:
        return _float_product(parts, scale)
    whole = parts[0]
    for part in parts[1:]:
        whole = Counts(_exact_product(whole.values, part.values, bound))
    return whole


def _exact_product(a: np.ndarray | Wide, b: np.ndarray | Wide, bound: int) -> np.ndarray | Wide:
    if bound <= LARGEST_INT64:
        assert isinstance(a, np.ndarray)
        assert isinstance(b, np.ndarray)
        return np.asarray(np.multiply.outer(a, b))
    a, b = wide.widened(a), wide.widened(b)
    n = len(a.limbs), len(b.limbs)
    if n[0] * n[1] < SCALARS:
        return wide.narrow(wide.outer(a.limbs, b.limbs))
    products = np.multiply.outer(a.to_objects(), b.to_objects())
    return wide.narrow(wide.from_objects(products, sum(n)).limbs)


def _float_product(parts: list[Counts], scale: int) -> Counts:
    vectors = [part.array() for part in parts]
    if not scale:  # then no part has one
        return Counts(reduce(np.multiply.outer, vectors))
    exponents = [math.frexp(float(v.max()))[1] for v in vectors]
    whole = reduce(np.multiply.outer, map(np.ldexp, vectors, (-e for e in exponents)))
    shift = sum(exponents) + sum(part.scale for part in parts) - scale
    support = reduce(np.logical_and.outer, [part.support for part in parts])
    return Counts(np.ldexp(whole, shift), scale, support)
