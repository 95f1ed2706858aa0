"""The matrix-free sweep: compiled once for a network and a unit, replayed at will.

Backward from unit o, what arrives at a feature map is pushed to the maps that it reads: the
adjoint ``Hᵀ`` of every link, one small product per axis, nothing larger ever formed. Each
map is cropped to the window that the unit sees, so the cost does not depend on the size of
the image. Forward is the same sweep over the reversed links.

The steps are kept apart: `erfgraph.view` describes what pushes where, `compile_plan` fixes
windows and what each axis moves, `erfgraph.program` lowers that to array operations on memory
of its own and replays them. What travels has the shape (lanes, *window): a lane for every limb
of wide integers (see `erfgraph.wide`) and class of channels (see `erfgraph.channel_classes`),
classes side by side within a limb. With channels collapsed there is one class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph import axes
from erfgraph.axes import Window
from erfgraph.channel_classes import Classes, Mixing, classify, mixing
from erfgraph.channels import Channels
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.steps import TapsStep, Term, axis_step, make_term
from erfgraph.view import Direction, Strand, View, remembered, view


@dataclass(frozen=True, slots=True)
class Push:
    """What one map hands to another."""

    target: int
    terms: tuple[Term, ...]
    gain: Any  # largest sum of multiplicities that one number of the target collects
    growth: Any  # largest sum of multiplicities that one number hands out
    mixing: Mixing | None = None  # of classes; None: each is handed on as it is


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A compiled sweep: windows, and the steps of every map in order. Equal only to itself."""

    start: int
    order: tuple[int, ...]
    windows: Mapping[int, tuple[Window, ...]]
    offsets: Mapping[int, Shape]  # where the windows begin
    extents: Mapping[int, Shape]  # their shapes
    units: Mapping[int, int]  # positions of the windows
    n_classes: Mapping[int, int]  # numbers that a map holds per position
    pushes: Mapping[int, tuple[Push, ...]]
    inflow: Mapping[int, int]  # how many terms push into a map
    bounds: Mapping[int, Any]  # upper bound on the sum of a map's numbers; of floats, its log2
    most: Any  # the largest of them
    seen: View = field(repr=False)
    classes: Mapping[int, Classes] | None = None  # of channels; None: collapsed
    seeds: tuple[int, ...] = (1,)  # what the first window holds, one number per class


def plan_for(
    net: Network,
    direction: Direction,
    start: int,
    unit: Shape,
    stop: int | None = None,
    asked: Channels | None = None,
) -> Plan:
    """The compiled sweep from a unit, kept with the network for the next call."""
    window = tuple((u, u + 1) for u in unit)
    return remembered(
        net.plans,
        (direction, start, unit, stop, asked, _grown(net, direction)),
        lambda: compile_plan(view_for(net, direction, start, stop, asked), start, window),
    )


def view_for(
    net: Network,
    direction: Direction,
    start: int,
    stop: int | None = None,
    asked: Channels | None = None,
) -> View:
    """What all sweeps from a map have in common, kept with the network."""
    key = ("view", direction, start, stop, asked, _grown(net, direction))
    return remembered(net.plans, key, lambda: view(net, direction, start, stop, asked))


def _grown(net: Network, direction: Direction) -> int | None:
    """Forward, a network that has grown since is another one."""
    return len(net.maps) if direction == "forward" else None


def compile_plan(seen: View, start: int, window: tuple[Window, ...], apart: bool = False) -> Plan:
    """Fix windows and slices for a sweep that starts on a window of one map.

    Parameters
    ----------
    seen : View
    start : int
        The map on which the sweep starts.
    window : tuple of (start, stop), one per axis
        The window of that map that is not zero.
    apart : bool, optional
        Whether only one unit of it holds numbers at a time.

    Returns
    -------
    Plan
    """
    classes, mixed = remembered(seen.plans, ("mixed", start), lambda: _mixed(seen, start))
    windows = reached(seen, {i: [s for s, _ in mixed[i]] for i in seen.order}, start, window)
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
    total = sum(seeds) * (1 if apart else units[start])
    bounds = _bounds(order, pushes, start, total, seen.weighted)
    return Plan(
        start=start,
        order=order,
        windows=windows,
        offsets={i: tuple(lo for lo, _ in windows[i]) for i in order},
        extents=extents,
        units=units,
        n_classes=n_classes,
        pushes=pushes,
        inflow=inflow,
        bounds=bounds,
        most=max(bounds.values()),
        seen=seen,
        classes=classes,
        seeds=seeds,
    )


def reached(
    seen: View,
    pushes: Mapping[int, Iterable[Strand]],
    start: int,
    window: tuple[Window, ...],
) -> dict[int, tuple[Window, ...]]:
    """The window of every map that a window of one map reaches, those without one left out.

    Parameters
    ----------
    seen : View
    pushes : mapping of int to iterable of Strand
        Of the view, what counts.
    start : int
    window : tuple of (start, stop), one per axis
    """
    known = seen.hulls
    windows: dict[int, tuple[Window, ...]] = {start: window}
    for index in seen.order:
        here = windows.get(index)
        if here is None:
            continue
        for strand in pushes[index]:
            for term in strand.terms:
                reach = []
                for axis, w in zip(term, here, strict=True):
                    key = (id(axis), w)
                    if key not in known:
                        known[key] = axes.hull(axis, w)
                    reach.append(known[key])
                if None in reach:
                    continue
                there = windows.get(strand.target)
                windows[strand.target] = tuple(
                    (r if there is None else _span(r, there[i]))
                    for i, r in enumerate(reach)
                    if r is not None
                )
    return windows


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
    steps = []
    gain: Any = 0
    growth: Any = 0
    for term in strand.terms:
        made = tuple(axis_step(axis, i, out[i], src[i]) for i, axis in enumerate(term))
        if any(isinstance(step, TapsStep) and not step.moves for step in made):
            continue  # reads nothing but padding
        most = [axes.largest_sums(axis) for axis in term]
        growth += math.prod(hands for hands, _ in most)
        gain += math.prod(collects for _, collects in most)
        steps.append(make_term(made))
    if mixing is not None:
        gain, growth = gain * mixing.collects, growth * mixing.hands
    return Push(strand.target, tuple(steps), gain, growth, mixing)
