"""`edges`: the number of distinct edges on at least one path from an input unit to a unit.

For input unit i and output unit o this is the sum over edges u -> v of
[i reaches u] * [v reaches o]. The second factor needs one backward sweep of booleans, which
gives for every unit u the number w[u] of its edges that still lead to o. The first is the
forward cone of i, for every i at once:

- where layers are Kronecker products and every merge has one branch whose cones hold those of
  the others, the cone of i is itself a product of per-axis sets in every map, and the sums
  over all cones are one small matrix product per axis: ``F_yᵀ · w · F_x``;
- elsewhere, forward sweeps of booleans carry many input units at once, one lane each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from erfgraph import axes, memory
from erfgraph.axes import Window
from erfgraph.counts import Counts
from erfgraph.layers import Terms
from erfgraph.network import Network
from erfgraph.number_types import BOOL, INT64, batch_of
from erfgraph.paths import reach
from erfgraph.plan import Plan, compile_plan, plan_for
from erfgraph.running import run
from erfgraph.view import Strand, View, view

LANE_BYTES = 1 << 27  # what the lanes of one batch of forward cones may take
EXACT_FLOAT = 1 << 53
Progress = Callable[[int, int], None]


def count_edges(
    net: Network,
    start: int,
    unit: tuple[int, ...],
    stop: int,
    progress: Progress | None = None,
) -> tuple[Counts, tuple[Window, ...]] | None:
    """Edges on some path from every unit of map `stop` to one unit of map `start`.

    Parameters
    ----------
    net : Network
    start : int
        Index of the map that holds the unit.
    unit : tuple of int
    stop : int
        Index of the map whose units' importance is wanted.
    progress : callable, optional
        Called with (done, all) where the general way takes long.

    Returns
    -------
    (Counts, windows) or None
        None if no path leads from the one map to the other.
    """
    plan = plan_for(net, "backward", start, unit, stop)
    if stop not in plan.windows:
        return None
    leading = _leading_edges(net, plan)
    cones = _product_cones(net, plan, stop)
    if cones is None:
        values = _by_lanes(net, plan, stop, leading, progress)
    else:
        values = _by_products(plan, stop, leading, cones)
    return Counts(values), plan.windows[stop]


def _links(net: Network, plan: Plan) -> list[tuple[tuple[int, int], Terms]]:
    """The links inside a plan as ((source, target), terms), equal links between two maps once."""
    found: dict[tuple[int, int], Terms] = {}
    for index in plan.order:
        for link in net.maps[index].links if index in plan.pushes else ():
            if link.src in plan.windows and any(p.target == link.src for p in plan.pushes[index]):
                key = (link.src, index)
                found[key] = _union(found[key], link.terms) if key in found else link.terms
    return list(found.items())


def _union(a: Terms, b: Terms) -> Terms:
    return a + tuple(term for term in b if term not in a)


def _leading_edges(net: Network, plan: Plan) -> dict[int, np.ndarray]:
    """For every map, the number of each unit's edges that still lead to the output unit."""
    reaching = reach(plan, plan.order)
    counts = {i: np.zeros(plan.extents[i], dtype=np.int64) for i in plan.order}
    for (src, dst), terms in _links(net, plan):
        counts[src] += _outgoing(plan, src, dst, terms, reaching[dst])
    return counts


def _outgoing(plan: Plan, src: int, dst: int, terms: Terms, reaching: np.ndarray) -> np.ndarray:
    """Distinct edges from each unit of one map into the reaching units of another."""
    if len(terms) > 1 and not _disjoint(terms):
        block = _window_pattern(terms, plan.windows[dst], plan.windows[src])
        product: np.ndarray = block.T @ reaching.ravel().astype(np.int64)
        return product.reshape(plan.extents[src])
    patterns = tuple(tuple(axes.once(a) for a in term) for term in terms)
    seen = View(plan.seen.shapes, {dst: (Strand(src, patterns),), src: ()}, (dst, src))
    single = compile_plan(seen, dst, plan.windows[dst])
    found = run(single, INT64, [src], seed=reaching.astype(np.int64)[None], once=True)
    whole = np.zeros(plan.extents[src], dtype=np.int64)
    if src in found:
        place = tuple(
            slice(lo - base, hi - base)
            for (lo, hi), (base, _) in zip(single.windows[src], plan.windows[src], strict=True)
        )
        whole[place] = found[src][0]
    return whole


def _disjoint(terms: Terms) -> bool:
    """Whether no two terms share an edge: then their products never overlap."""
    for i, one in enumerate(terms):
        for other in terms[:i]:
            if all(_overlap(a, b) for a, b in zip(one, other, strict=True)):
                return False
    return True


def _overlap(a: axes.AxisMap, b: axes.AxisMap) -> bool:
    if a == b:
        return True
    outs, srcs, _ = axes.triplets(a)
    outs2, srcs2, _ = axes.triplets(b)
    return bool(np.intersect1d(outs * a.n_in + srcs, outs2 * b.n_in + srcs2).size)


def _window_pattern(terms: Terms, out: tuple[Window, ...], src: tuple[Window, ...]):  # type: ignore[no-untyped-def]
    """The edges of a link inside two windows as a sparse matrix of ones (output, source)."""
    from scipy.sparse import csr_array, kron

    whole = None
    for term in terms:
        block = csr_array(np.ones((1, 1), dtype=np.int64))
        for axis, (o0, o1), (s0, s1) in zip(term, out, src, strict=True):
            block = kron(block, axes.matrix(axis)[o0:o1, s0:s1], format="csr")
        whole = block if whole is None else whole + block
    assert whole is not None
    whole.data[:] = 1
    return whole


# --- forward cones that are products of per-axis sets ---------------------------------------

Cone = tuple[np.ndarray, ...]  # per axis: bool, shape (positions of the map, of the input)


def _product_cones(net: Network, plan: Plan, stop: int) -> dict[int, Cone] | None:
    """Per map and axis, which input positions reach which; None where cones are no products."""
    pairs = [
        n * m for i in plan.order for n, m in zip(plan.extents[i], plan.extents[stop], strict=True)
    ]
    memory.require(sum(pairs) + 9 * max(pairs), "the forward cones of all input units")
    cones: dict[int, Cone] = {
        stop: tuple(np.eye(n, dtype=bool) for n in plan.extents[stop]),
    }
    arriving: dict[int, list[tuple[int, Terms]]] = {}
    for (src, dst), terms in _links(net, plan):
        arriving.setdefault(dst, []).append((src, terms))
    for index in reversed(plan.order):
        if index == stop:
            continue
        candidates = [
            tuple(
                _advance(axis, out, src_window, cone)
                for axis, out, src_window, cone in zip(
                    term, plan.windows[index], plan.windows[src], cones[src], strict=True
                )
            )
            for src, terms in arriving.get(index, ())
            for term in terms
        ]
        # a map whose reads all miss the windows (cropped away, or padding) is in no cone
        nothing = tuple(
            np.zeros((hi - lo, n), dtype=bool)
            for (lo, hi), n in zip(plan.windows[index], plan.extents[stop], strict=True)
        )
        largest = _holding_all(candidates) if candidates else nothing
        if largest is None:
            return None
        cones[index] = largest
    return cones


def _advance(axis: axes.AxisMap, out: Window, src: Window, cone: np.ndarray) -> np.ndarray:
    if axes.is_identity(axis):
        moved = np.zeros((out[1] - out[0], cone.shape[1]), dtype=bool)
        lo, hi = max(out[0], src[0]), min(out[1], src[1])
        moved[lo - out[0] : hi - out[0]] = cone[lo - src[0] : hi - src[0]]
        return moved
    block = axes.matrix(axis)[out[0] : out[1], src[0] : src[1]]
    return (block @ cone.astype(np.int64)) > 0


def _holding_all(candidates: list[Cone]) -> Cone | None:
    """The candidate that contains every other on every axis, if there is one."""
    best = max(candidates, key=lambda cone: sum(int(part.sum()) for part in cone))
    for other in candidates:
        if other is not best and any(
            (part & ~whole).any() for part, whole in zip(other, best, strict=True)
        ):
            return None
    return best


def _by_products(
    plan: Plan, stop: int, leading: dict[int, np.ndarray], cones: dict[int, Cone]
) -> np.ndarray:
    most = sum(int(w.sum()) for w in leading.values())
    # whole numbers below 2**53 are exact in float64, whose products are far faster
    dtype: Any = np.float64 if most < EXACT_FLOAT else np.int64
    total: np.ndarray = np.zeros(plan.extents[stop], dtype=dtype)
    for index in plan.order:
        if leading[index].any():
            value: Any = leading[index].astype(dtype)
            for axis, cone in enumerate(cones[index]):
                summed = np.tensordot(cone.astype(dtype), value, axes=(0, axis))
                value = np.moveaxis(summed, 0, axis)
            total += value
    return total.astype(np.int64)


# --- the general way ------------------------------------------------------------------------


def _by_lanes(
    net: Network,
    plan: Plan,
    stop: int,
    leading: dict[int, np.ndarray],
    progress: Progress | None,
) -> np.ndarray:
    """Forward cones of batches of input units, one lane each."""
    n_units = int(np.prod(plan.extents[stop]))
    forward = compile_plan(view(net, "forward", stop, plan.start), stop, plan.windows[stop])
    units = sum(int(np.prod(forward.extents[i])) for i in forward.order)
    batch = max(1, min(n_units, LANE_BYTES // units))
    lanes = batch_of(BOOL, batch)
    total = np.zeros(n_units, dtype=np.int64)
    for first in range(0, n_units, batch):
        members = np.arange(first, min(first + batch, n_units))
        seed = np.zeros((len(members), n_units), dtype=bool)
        seed[np.arange(len(members)), members] = True
        if len(members) != lanes.number:
            lanes = batch_of(BOOL, len(members))
        reached = run(forward, lanes, forward.order, seed.reshape(-1, *plan.extents[stop]))
        for index, values in reached.items():
            if index in leading:
                total[members] += _weigh(plan, forward, index, values, leading[index])
        if progress is not None:
            progress(int(members[-1]) + 1, n_units)
    return total.reshape(plan.extents[stop])


def _weigh(
    plan: Plan, forward: Plan, index: int, reached: np.ndarray, leading: np.ndarray
) -> np.ndarray:
    """Sum the leading edges of the units that each lane reaches, where both windows overlap."""
    mine, theirs = [], []
    for (f0, f1), (b0, b1) in zip(forward.windows[index], plan.windows[index], strict=True):
        lo, hi = max(f0, b0), min(f1, b1)
        mine.append(slice(lo - f0, max(hi, lo) - f0))
        theirs.append(slice(lo - b0, max(hi, lo) - b0))
    part = reached[(slice(None), *mine)].reshape(len(reached), -1)
    return np.asarray(part @ leading[tuple(theirs)].ravel())
