"""The matrix-free sweep: compiled once for a network and a unit, replayed at will.

Backward from unit o, what arrives at a feature map is pushed to the maps that it reads: the
adjoint ``Hᵀ`` of every link, one small product per axis, nothing larger ever formed. Each
map is cropped to the window that the unit sees, so the cost does not depend on the size of
the image. Forward is the same sweep over the reversed links.

Three steps are kept apart: `erfgraph.view` describes what pushes where, `compile_plan` fixes
windows and slices, `run` moves numbers. What travels has the shape (lanes, *window): a lane for
every limb of wide integers (see `erfgraph.wide`) and class of channels (see
`erfgraph.channel_classes`), classes side by side within a limb. With channels collapsed there
is one class.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from erfgraph import axes, memory
from erfgraph.axes import Window
from erfgraph.channel_classes import Classes, Mixing, classify, mixing
from erfgraph.channels import Channels
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.steps import AxisStep, Index, add_adjoint, axis_step
from erfgraph.view import Direction, Strand, View, view

MOST_PLANS = 256


# --- build --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Push:
    """What one map hands to another: per term, one step per axis that is not a mere copy."""

    target: int
    terms: tuple[tuple[AxisStep, ...], ...]
    places: tuple[tuple[Index, bool], ...]  # per term: where in the target, and if all of it
    gain: Any  # largest sum of multiplicities that one number of the target collects
    growth: Any  # largest sum of multiplicities that one number hands out
    mixing: Mixing | None = None  # of classes; None: each is handed on as it is


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A compiled sweep: windows, and the steps of every map in order. Equal only to itself."""

    start: int
    order: tuple[int, ...]
    windows: Mapping[int, tuple[Window, ...]]
    extents: Mapping[int, Shape]  # shapes of the windows
    units: Mapping[int, int]  # positions of the windows
    n_classes: Mapping[int, int]  # numbers that a map holds per position
    pushes: Mapping[int, tuple[Push, ...]]
    inflow: Mapping[int, int]  # how many terms push into a map
    bounds: Mapping[int, Any]  # upper bound on the sum of a map's numbers; of floats, its log2
    shapes: tuple[Shape, ...] = field(repr=False)
    classes: Mapping[int, Classes] | None = None  # of channels; None: collapsed
    seeds: tuple[int, ...] = (1,)  # what the first window holds, one number per class


Compiled = TypeVar("Compiled")


def kept(net: Network, key: tuple[Any, ...], make: Callable[[], Compiled]) -> Compiled:
    """A compiled sweep, kept with the network for the next call."""
    found: Compiled | None = net.plans.get(key)
    if found is None:
        if len(net.plans) >= MOST_PLANS:
            net.plans.clear()
        found = net.plans[key] = make()
    return found


def plan_for(
    net: Network,
    direction: Direction,
    start: int,
    unit: Shape,
    stop: int | None = None,
    asked: Channels | None = None,
) -> Plan:
    """The compiled sweep from a unit, kept with the network for the next call."""
    grown = len(net.maps) if direction == "forward" else None
    window = tuple((u, u + 1) for u in unit)
    return kept(
        net,
        (direction, start, unit, stop, asked, grown),
        lambda: compile_plan(view(net, direction, start, stop, asked), start, window),
    )


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
    classes, mixed = _mixed(seen, start)
    windows: dict[int, tuple[Window, ...]] = {start: window}
    for index in seen.order:
        if index not in windows:
            continue
        for strand, _ in mixed[index]:
            for term in strand.terms:
                reach = [axes.hull(a, w) for a, w in zip(term, windows[index], strict=True)]
                if None in reach:
                    continue
                known = windows.get(strand.target)
                windows[strand.target] = tuple(
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
                for strand, mixing in mixed[index]
                if strand.target in windows
                and (push := _push(strand, mixing, windows[index], windows[strand.target])).terms
            )
            for push in pushes[index]:
                inflow[push.target] = inflow.get(push.target, 0) + len(push.terms)
    order = tuple(index for index in seen.order if index in windows)
    extents = {i: tuple(hi - lo for lo, hi in windows[i]) for i in order}
    units = {i: math.prod(extent) for i, extent in extents.items()}
    n_classes = {i: 1 if classes is None else classes[i].number for i in order}
    seeds: tuple[int, ...] = (1,)
    if classes is not None and seen.asked is not None:
        first = classes[start].first
        seeds = tuple(seen.asked.count(c) for c in first.tolist())
    bounds = _bounds(order, pushes, start, sum(seeds) * units[start], seen.weighted)
    return Plan(
        start=start,
        order=order,
        windows=windows,
        extents=extents,
        units=units,
        n_classes=n_classes,
        pushes=pushes,
        inflow=inflow,
        bounds=bounds,
        shapes=seen.shapes,
        classes=classes,
        seeds=seeds,
    )


def _bounds(
    order: tuple[int, ...],
    pushes: Mapping[int, tuple[Push, ...]],
    start: int,
    first: int,
    weighted: bool,
) -> dict[int, Any]:
    """Upper bounds on the sums of maps' numbers: integers, of floats their binary logarithms."""
    if not weighted:
        bounds = dict.fromkeys(order, 0)
        bounds[start] = first
        for index in order:
            for push in pushes[index]:
                bounds[push.target] += bounds[index] * push.growth
        return bounds
    logs = dict.fromkeys(order, -math.inf)
    logs[start] = math.log2(first)
    for index in order:
        for push in pushes[index]:
            more = logs[index] + (math.log2(push.growth) if push.growth > 0 else -math.inf)
            logs[push.target] = float(np.logaddexp2(logs[push.target], more))
    return logs


Mixed = dict[int, list[tuple[Strand, Mixing | None]]]


def _mixed(seen: View, start: int) -> tuple[dict[int, Classes] | None, Mixed]:
    """Classes of channels, and what pushes anything at all, with its mixing of classes."""
    if seen.asked is None:
        return None, {i: [(strand, None) for strand in seen.pushes[i]] for i in seen.order}
    if seen.classes is not None:
        known = dict(seen.classes)
        return known, {i: [(s, s.mixing) for s in seen.pushes[i]] for i in seen.order}
    joins = {
        i: [(s.target, s.mix, s.gains) for s in strands if s.mix is not None]
        for i, strands in seen.pushes.items()
    }
    classes = classify(seen.order, joins, seen.channels, start, seen.asked)
    mixed: Mixed = {}
    for i in seen.order:
        mixed[i] = []
        for strand in seen.pushes[i]:
            assert strand.mix is not None
            into, source = classes[strand.target], classes[i]
            found = mixing(strand.mix, into, source, strand.weight, strand.gains)
            if found is not None:
                mixed[i].append((strand, None if found.plain else found))
    return classes, mixed


def _span(a: Window, b: Window) -> Window:
    return (min(a[0], b[0]), max(a[1], b[1]))


def _push(
    strand: Strand, mixing: Mixing | None, out: tuple[Window, ...], src: tuple[Window, ...]
) -> Push:
    steps, places = [], []
    gain: Any = 0
    growth: Any = 0
    ndim = len(out)
    for term in strand.terms:
        if any(axes.hull(a, w) is None for a, w in zip(term, out, strict=True)):
            continue
        made = []
        place: list[slice] = [slice(None)]
        whole = True
        collects: Any = 1
        hands: Any = 1
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
                made.append(axis_step(axis, i, ndim, out[i], src[i]))
                place.append(slice(None))
        # the innermost axis first: strided, it is slow, so while the array is still small
        steps.append(tuple(reversed(made)))
        places.append((tuple(place), whole))
        gain += collects
        growth += hands
    if mixing is not None:
        gain, growth = gain * mixing.collects, growth * mixing.hands
    return Push(strand.target, tuple(steps), tuple(places), gain, growth, mixing)


# --- run ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """How numbers travel: their type, and what a map's numbers need before they go on.

    The base class suits booleans, int64 and float64 whose range is known to suffice.
    """

    dtype: Any

    def lanes(self, index: int) -> int:
        """Lanes of a map's array per class of channels."""
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
    more: Mapping[int, np.ndarray] | None = None,
) -> dict[int, np.ndarray]:
    """Move numbers through a plan.

    Parameters
    ----------
    plan : Plan
    numbers : Numbers
    keep : iterable of int
        Feature maps whose numbers are wanted.
    seed : array, shape (lanes, *window), optional
        What the start map holds; default the plan's seeds.
    more : mapping of int to array, shape (*window), optional
        What maps hold besides what reaches them, the same in every lane.

    Returns
    -------
    dict
        For every kept map with a window, its numbers, shape (lanes, *window); lanes are
        limbs x classes.

    Raises
    ------
    SizeError
        If what is held at one time does not fit into memory.
    """
    wanted = set(keep)
    lanes = {i: numbers.lanes(i) * plan.n_classes[i] for i in plan.order}
    _check_memory(plan, lanes, np.dtype(numbers.dtype).itemsize, wanted)
    first = np.zeros((lanes[plan.start], *plan.extents[plan.start]), numbers.dtype)
    for i, number in enumerate(plan.seeds):
        first[i] = number
    if seed is not None:
        first[...] = seed
    held = {plan.start: first}
    kept: dict[int, np.ndarray] = {}
    for index in plan.order:
        values = held.pop(index, None)
        if values is None:
            continue
        if more is not None and index in more:
            values = values + more[index]
        values = numbers.ready(index, values)
        if index in wanted:
            kept[index] = values
        for push in plan.pushes[index]:
            ready = numbers.fit(index, push.target, values)
            _run_push(plan, push, ready, held, lanes[push.target])
    return kept


def _check_memory(plan: Plan, lanes: Mapping[int, int], itemsize: int, wanted: set[int]) -> None:
    """Refuse a sweep that holds more at one time than there is room for."""
    units = plan.units
    if sum(map(operator.mul, lanes.values(), units.values())) * itemsize < memory.SMALL:
        return
    begun = {plan.start}
    held = most = lanes[plan.start] * units[plan.start]
    between = 0
    for index in plan.order:
        for push in plan.pushes[index]:
            target = push.target
            if target not in begun:
                begun.add(target)
                held += lanes[target] * units[target]
            between = max(between, max(lanes[index], lanes[target]) * units[target])
        most = max(most, held)
        held -= 0 if index in wanted else lanes[index] * units[index]
    memory.require((most + 2 * between) * itemsize, "this sweep")


def _run_push(
    plan: Plan, push: Push, values: np.ndarray, held: dict[int, np.ndarray], lanes: int
) -> None:
    target, mixing = push.target, push.mixing
    terms: Iterable[tuple[tuple[AxisStep, ...], tuple[Index, bool]]]
    terms = zip(push.terms, push.places, strict=True)
    if mixing is not None and mixing.n_into > mixing.n_source:  # the fewer lanes are moved
        moved = np.zeros((len(values), *plan.extents[target]), values.dtype)
        for steps, (place, whole) in terms:
            _add_term(steps, values, moved if whole else moved[place])
        values, terms = mixing.apply(moved), [((), ((), True))]
    elif mixing is not None:
        values = mixing.apply(values)
    into = held.get(target)
    for steps, (place, whole) in terms:
        if into is None:
            if not steps and whole and plan.inflow[target] == 1 and lanes == len(values):
                held[target] = values  # a plain copy and nothing else: share the array
                return
            into = held[target] = np.zeros((lanes, *plan.extents[target]), values.dtype)
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
