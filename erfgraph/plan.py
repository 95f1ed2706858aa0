"""The matrix-free sweep: compiled once for a network and a unit, replayed at will.

Backward from unit o, what arrives at a feature map is pushed to the maps that it reads: the
adjoint ``Hᵀ`` of every link, one small product per axis, nothing larger ever formed. Each
map is cropped to the window that the unit sees, so the cost does not depend on the size of
the image. Forward is the same sweep over the reversed links.

Three steps are kept apart: `View` describes what pushes where, `compile_plan` fixes windows
and slices, `run` moves numbers. What travels has the shape (lanes, *window); lanes are the
limbs of wide integers (see `erfgraph.wide`) and otherwise one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from erfgraph import axes, memory
from erfgraph.axes import AxisMap, Dense, Taps, Window
from erfgraph.layers import Terms
from erfgraph.network import Network
from erfgraph.params import Shape

Direction = Literal["backward", "forward"]
Index = tuple[Any, ...]
MOST_PLANS = 256


# --- describe -----------------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """A network as a sweep sees it: for every map, where it pushes and through what."""

    shapes: tuple[Shape, ...]
    pushes: Mapping[int, tuple[tuple[int, Terms], ...]]
    order: tuple[int, ...]  # maps in the order in which they are complete


def view(net: Network, direction: Direction, start: int, stop: int | None = None) -> View:
    """The part of a network on paths between two maps (all that `start` reaches by default).

    Parameters
    ----------
    net : Network
    direction : {"backward", "forward"}
        Along or against the links.
    start, stop : int
        Indices of feature maps.
    """
    shapes = tuple(m.shape for m in net.maps)
    pushes: dict[int, list[tuple[int, Terms]]] = {}
    for m in net.maps:
        for link in m.links:
            if direction == "backward":
                pushes.setdefault(m.index, []).append((link.src, link.terms))
            else:
                reverse = tuple(tuple(map(axes.transpose, term)) for term in link.terms)
                pushes.setdefault(link.src, []).append((m.index, reverse))
    order = range(start, -1, -1) if direction == "backward" else range(start, len(shapes))
    reached = {start}
    for index in order:
        if index in reached:
            reached.update(target for target, _ in pushes.get(index, ()))
    leading = reached
    if stop is not None:  # keep only maps from which `stop` is reached
        leading = {stop}
        for index in reversed(order):
            if any(target in leading for target, _ in pushes.get(index, ())):
                leading.add(index)
    used = [i for i in order if i in reached and i in leading] or [start]
    kept = set(used)
    return View(
        shapes,
        {i: tuple(p for p in pushes.get(i, ()) if p[0] in kept and i != stop) for i in used},
        tuple(used),
    )


# --- build --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TapsStep:
    """Adjoint of `Taps` on a window: slices of the source that gather slices of the output."""

    axis: int
    length: int  # positions of the source window
    pairs: tuple[tuple[Index, Index], ...]  # (into the source window, from the output window)


@dataclass(frozen=True, slots=True)
class DenseStep:
    """Adjoint of `Dense`: every source position gets the sum over the output window."""

    axis: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class SparseStep:
    """Adjoint of `Sparse` on a window, as a matrix of shape (source, output)."""

    axis: int
    length: int
    matrix: Any


AxisStep = TapsStep | DenseStep | SparseStep


@dataclass(frozen=True, slots=True)
class Push:
    """What one map hands to another: per term, one step per axis that is not a mere copy."""

    target: int
    terms: tuple[tuple[AxisStep, ...], ...]
    places: tuple[tuple[Index, bool], ...]  # per term: where in the target, and if all of it
    gain: int  # largest sum of multiplicities that one target unit collects
    growth: int  # largest sum of multiplicities that one pushing unit hands out


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A compiled sweep: windows, and the steps of every map in order. Equal only to itself."""

    start: int
    order: tuple[int, ...]
    windows: Mapping[int, tuple[Window, ...]]
    extents: Mapping[int, Shape]  # shapes of the windows
    pushes: Mapping[int, tuple[Push, ...]]
    inflow: Mapping[int, int]  # how many terms push into a map
    bounds: Mapping[int, int]  # upper bound on the sum of a map's path counts
    shapes: tuple[Shape, ...] = field(repr=False)


def plan_for(
    net: Network,
    direction: Direction,
    start: int,
    unit: Shape,
    stop: int | None = None,
) -> Plan:
    """The compiled sweep from a unit, kept with the network for the next call."""
    key = (direction, start, unit, stop, len(net.maps) if direction == "forward" else None)
    plan = net.plans.get(key)
    if plan is None:
        if len(net.plans) >= MOST_PLANS:
            net.plans.clear()
        window = tuple((u, u + 1) for u in unit)
        plan = net.plans[key] = compile_plan(view(net, direction, start, stop), start, window)
    return plan


def compile_plan(seen: View, start: int, window: tuple[Window, ...]) -> Plan:
    """Fix windows and slices for a sweep that starts on a window of one map.

    Parameters
    ----------
    seen : View
    start : int
        The map on which the sweep starts.
    window : tuple of (start, stop), one per axis
        The window of that map that is not zero.

    Returns
    -------
    Plan
    """
    windows: dict[int, tuple[Window, ...]] = {start: window}
    for index in seen.order:
        if index not in windows:
            continue
        for target, terms in seen.pushes[index]:
            for term in terms:
                reach = [axes.hull(a, w) for a, w in zip(term, windows[index], strict=True)]
                if None in reach:
                    continue
                known = windows.get(target)
                windows[target] = tuple(
                    (r if known is None else _span(r, known[i]))
                    for i, r in enumerate(reach)
                    if r is not None
                )
    pushes: dict[int, tuple[Push, ...]] = {}
    inflow: dict[int, int] = {}
    for index in seen.order:
        if index in windows:
            pushes[index] = tuple(
                push
                for target, terms in seen.pushes[index]
                if target in windows
                and (push := _push(target, terms, windows[index], windows[target])).terms
            )
            for push in pushes[index]:
                inflow[push.target] = inflow.get(push.target, 0) + len(push.terms)
    order = tuple(index for index in seen.order if index in windows)
    extents = {i: tuple(hi - lo for lo, hi in windows[i]) for i in order}
    bounds = dict.fromkeys(order, 0)
    bounds[start] = math.prod(extents[start])
    for index in order:
        for push in pushes[index]:
            bounds[push.target] += bounds[index] * push.growth
    return Plan(start, order, windows, extents, pushes, inflow, bounds, seen.shapes)


def _span(a: Window, b: Window) -> Window:
    return (min(a[0], b[0]), max(a[1], b[1]))


def _push(target: int, terms: Terms, out: tuple[Window, ...], src: tuple[Window, ...]) -> Push:
    steps, places, gain, growth = [], [], 0, 0
    ndim = len(out)
    for term in terms:
        if any(axes.hull(a, w) is None for a, w in zip(term, out, strict=True)):
            continue
        made = []
        place: list[slice] = [slice(None)]
        whole = True
        collects = hands = 1
        for i, axis in enumerate(term):
            most = axes.largest_sums(axis)
            hands *= most[0]
            collects *= most[1]
            if axes.is_identity(axis):  # a copy: no step, only the place where it lands
                lo = out[i][0] - src[i][0]
                hi = out[i][1] - src[i][0]
                place.append(slice(lo, hi))
                whole = whole and (lo, hi) == (0, src[i][1] - src[i][0])
            else:
                made.append(_axis_step(axis, i, ndim, out[i], src[i]))
                place.append(slice(None))
        # the innermost axis first: strided, it is slow, so while the array is still small
        steps.append(tuple(reversed(made)))
        places.append((tuple(place), whole))
        gain += collects
        growth += hands
    return Push(target, tuple(steps), tuple(places), gain, growth)


@lru_cache(maxsize=8192)
def _axis_step(axis: AxisMap, i: int, ndim: int, out: Window, src: Window) -> AxisStep:
    length = src[1] - src[0]
    if isinstance(axis, Dense):
        return DenseStep(i + 1, length)
    if isinstance(axis, Taps):
        before = (slice(None),) * (i + 1)
        pairs = tuple(
            (
                (*before, _slice(r.src - src[0], r.src_step, r.length)),
                (*before, _slice(r.out - out[0], r.out_step, r.length)),
            )
            for r in axes.clip(axis, out, src)
        )
        return TapsStep(i + 1, length, pairs)
    from scipy.sparse import csr_array

    first, stop = np.searchsorted(axis.outs, out)
    rows, cols = axis.srcs[first:stop] - src[0], axis.outs[first:stop] - out[0]
    shape = (length, out[1] - out[0])
    return SparseStep(i + 1, length, csr_array((axis.counts[first:stop], (rows, cols)), shape))


def _slice(start: int, step: int, count: int) -> slice:
    stop = start + (count - 1) * step + (1 if step > 0 else -1)
    return slice(start, stop if stop >= 0 else None, step)


# --- run ----------------------------------------------------------------------------------


def add_adjoint(step: AxisStep, values: np.ndarray, into: np.ndarray) -> None:
    """Add ``Hᵀ values`` along one axis into an array of the source window's shape."""
    if type(step) is TapsStep:
        for to, take in step.pairs:
            part = into[to]
            np.add(part, values[take], out=part)
    elif type(step) is DenseStep:
        if values.dtype == bool:
            into |= values.any(axis=step.axis, keepdims=True)
        else:
            into += values.sum(axis=step.axis, keepdims=True)
    else:
        assert isinstance(step, SparseStep)
        moved = np.moveaxis(values, step.axis, 0)
        flat = moved.reshape(moved.shape[0], -1)
        if values.dtype == bool:
            product = (step.matrix @ flat.astype(np.int64)) > 0
        else:
            product = step.matrix @ flat
        result = np.moveaxis(product.reshape(-1, *moved.shape[1:]), 0, step.axis)
        np.add(into, result, out=into)


@dataclass(frozen=True)
class Numbers:
    """How numbers travel: their type, and what a map's numbers need before they go on.

    The base class suits booleans, int64 and float64 whose range is known to suffice.
    """

    dtype: Any

    def lanes(self, index: int) -> int:
        """Lanes of a map's array."""
        return 1

    def ready(self, index: int, values: np.ndarray) -> np.ndarray:
        """A map's complete numbers, made fit to be pushed on."""
        return values

    def fit(self, source: int, target: int, values: np.ndarray) -> np.ndarray:
        """A map's numbers in the scale of the map that they are pushed to."""
        return values


def run(
    plan: Plan,
    numbers: Numbers,
    keep: Iterable[int] = (),
    seed: np.ndarray | None = None,
) -> dict[int, np.ndarray]:
    """Move numbers through a plan.

    Parameters
    ----------
    plan : Plan
    numbers : Numbers
    keep : iterable of int
        Feature maps whose numbers are wanted.
    seed : array, shape (lanes, *window), optional
        What the start map holds; default ones.

    Returns
    -------
    dict
        For every kept map with a window, its numbers, shape (lanes, *window).
    """
    wanted = set(keep)
    largest = max(numbers.lanes(i) * math.prod(plan.extents[i]) for i in plan.order)
    memory.require(3 * largest * np.dtype(numbers.dtype).itemsize, "this sweep")
    held: dict[int, np.ndarray] = {}
    shape = (numbers.lanes(plan.start), *plan.extents[plan.start])
    held[plan.start] = np.zeros(shape, numbers.dtype)
    held[plan.start][0] = 1
    if seed is not None:
        held[plan.start][...] = seed
    kept: dict[int, np.ndarray] = {}
    for index in plan.order:
        values = held.pop(index, None)
        if values is None:
            continue
        values = numbers.ready(index, values)
        if index in wanted:
            kept[index] = values
        for push in plan.pushes[index]:
            _run_push(plan, numbers, push, numbers.fit(index, push.target, values), held)
    return kept


def _run_push(
    plan: Plan, numbers: Numbers, push: Push, values: np.ndarray, held: dict[int, np.ndarray]
) -> None:
    target = push.target
    into = held.get(target)
    for steps, (place, whole) in zip(push.terms, push.places, strict=True):
        if into is None:
            lanes = numbers.lanes(target)
            if not steps and whole and plan.inflow[target] == 1 and lanes == len(values):
                held[target] = values  # a plain copy and nothing else: share the array
                return
            into = held[target] = np.zeros((lanes, *plan.extents[target]), numbers.dtype)
        part = into[: len(values)] if len(into) != len(values) else into
        _add_term(steps, values, part if whole else part[place])


def _add_term(steps: tuple[AxisStep, ...], values: np.ndarray, into: np.ndarray) -> None:
    if not steps:
        np.add(into, values, out=into)
        return
    for step in steps[:-1]:
        shape = list(values.shape)
        shape[step.axis] = step.length
        between = np.zeros(shape, into.dtype)
        add_adjoint(step, values, between)
        values = between
    add_adjoint(steps[-1], values, into)
