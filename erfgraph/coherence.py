"""The gradient of a sum over channels: what all channels have in common.

With activations a unit's channels are not independent of what they read: those that an
activation lets pass are those whose weights point along their input. In the gradient of one
channel, or of a sum with random signs, that averages out. In the gradient of the plain sum of
a unit's channels it adds up: it has a part that is proportional to what each layer reads, and
that part spreads as amplitudes do, not as their squares. Its mean square is added here.

At a handle (a map as it is read) the common part of a gradient is taken as ``a + b x``, x the
number that is read: two amplitudes per position. Through drawn weights W, with z = W x and
gradient h(z), Stein's lemma gives ``E[W h(z)] = σ² x E[h'(z)]``, so ``b`` grows by the weights'
variance times the channels that read, times the mean slope of h; through sums and averages h is
fitted by a line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erfgraph import axes
from erfgraph.axes import Window
from erfgraph.channel_classes import Classes, Mixing
from erfgraph.elementwise import KINDS
from erfgraph.featuremap import FeatureMap, Pass
from erfgraph.forward import Forward
from erfgraph.layers import Term
from erfgraph.moments import SMALLEST, gaussian
from erfgraph.network import Network
from erfgraph.number_types import FLOAT64
from erfgraph.params import Shape
from erfgraph.plan import Plan, compile_plan
from erfgraph.running import run
from erfgraph.view import Strand, View
from erfgraph.weighting import Edge

Handle = tuple[int, tuple[Pass, ...], int]  # a map, what it passes, and the reads of a max pool
Windows = tuple[Window, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a map is read through a handle, for channels on average.

    Attributes
    ----------
    z, weights : array, shape (nodes,)
        What the map holds, and how likely; for a max pool, of the largest in a window.
    slope, value : array, shape (nodes,)
        Of the function that it is read through.
    chosen : float
        How likely a max pool chooses a unit; 1 elsewhere.
    """

    z: np.ndarray
    weights: np.ndarray
    slope: np.ndarray
    value: np.ndarray
    chosen: float

    @property
    def basis(self) -> np.ndarray:
        """Gradients at the map for the amplitudes (1, 0) and (0, 1), shape (2, nodes)."""
        return np.stack([self.slope, self.slope * self.value])

    def mean(self, of: np.ndarray) -> np.ndarray:
        """Expectation of functions of the nodes, shape (..., nodes)."""
        return np.asarray(self.chosen * (of @ self.weights))

    @property
    def slopes(self) -> np.ndarray:
        """Mean slope of both gradients, by Stein's lemma from their covariance with z."""
        away = self.z - self.z @ self.weights
        return self.mean(self.basis * away) / max(float(away**2 @ self.weights), SMALLEST)

    @property
    def squares(self) -> np.ndarray:
        """Mean products of the gradients at the map, shape (2, 2)."""
        return self.mean(self.basis[:, None] * self.basis)

    @property
    def values(self) -> np.ndarray:
        """Mean products of 1 and what is read, shape (2, 2)."""
        both = np.stack([np.ones_like(self.value), self.value])
        return np.asarray((both[:, None] * both) @ self.weights)


def reading(forward: Forward, handle: Handle) -> Reading:
    """A handle's reading."""
    index, passes, of = handle
    moments = forward.of(index)
    spread = moments.own
    if not any(map(forward.normalises, passes)):  # a norm takes a channel's own mean away
        spread = spread + moments.shared
    edges, weights = gaussian(of=of)
    z = float(moments.mean.mean()) + np.sqrt(max(float(spread.mean()), SMALLEST)) * edges
    y = forward.function(index, passes)(z)
    middle, value = (z[1:] + z[:-1]) / 2, (y[1:] + y[:-1]) / 2
    return Reading(middle, weights, np.diff(y) / np.diff(z), value, 1 / of)


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """Amplitudes on their way from one handle to another, through fixed weights."""

    above: int
    below: int
    term: Term
    matrix: np.ndarray  # (2, 2), from those above to those below


def common_squares(
    net: Network,
    top: FeatureMap,
    unit: Shape,
    edges: Mapping[int, Sequence[Edge]],
    forward: Forward,
) -> dict[int, tuple[Windows, np.ndarray]]:
    """Mean squares that the common part of all channels' gradients adds.

    Parameters
    ----------
    net : Network
    top : FeatureMap
        Whose unit's channels are summed.
    unit : tuple of int
    edges : mapping of int to sequence of Edge
        Of every map in the sweep.
    forward : Forward

    Returns
    -------
    dict
        By index of a map, a window and an array of its shape.
    """
    build = _Build(net, forward, edges)
    plan = build.plan(top, unit)
    first = np.zeros((2, *plan.extents[plan.start]))
    first[0] = 1.0
    found = run(plan, FLOAT64, plan.order, seed=first, once=True)
    return {i: build.squares(plan, found, handles) for i, handles in build.of_map.items()}


class _Build:
    """Handles, numbered as they are met, and how amplitudes go from one to the next."""

    def __init__(
        self, net: Network, forward: Forward, edges: Mapping[int, Sequence[Edge]]
    ) -> None:
        self.net, self.forward, self.edges = net, forward, edges
        self.numbers: dict[Handle, int] = {}
        self.handles: list[Handle] = []
        self.readings: list[Reading] = []
        self.of_map: dict[int, list[int]] = {}
        self.carried: dict[int, list[Carried]] = {}

    def number(self, handle: Handle) -> int:
        """The number of a handle."""
        found = self.numbers.get(handle)
        if found is None:
            found = self.numbers[handle] = len(self.handles)
            self.handles.append(handle)
            self.readings.append(reading(self.forward, handle))
            self.of_map.setdefault(handle[0], []).append(found)
        return found

    def plan(self, top: FeatureMap, unit: Shape) -> Plan:
        """The compiled sweep of amplitudes, from the unit down."""
        start = self.number((top.index, top.passed, 1))
        pushes: dict[int, tuple[Strand, ...]] = {}
        for i in sorted(self.edges, reverse=True):
            for above in self.of_map.get(i, ()):
                strands = (self._strand(above, e) for e in self.edges[i])
                pushes[above] = tuple(s for s in strands if s is not None)
        order = sorted(range(len(self.handles)), key=lambda h: -self.handles[h][0])
        order = [start, *(h for h in order if h != start)]
        both = np.arange(2)
        view = View(
            tuple(self.net.maps[index].shape for index, *_ in self.handles),
            {h: pushes.get(h, ()) for h in order},
            tuple(order),
            (2,) * len(order),
            range(2),
            weighted=True,
            classes=dict.fromkeys(order, Classes(both, both)),
        )
        return compile_plan(view, start, tuple((u, u + 1) for u in unit))

    def _strand(self, above: int, e: Edge) -> Strand | None:
        made, r = self.net.maps[e.made], self.readings[above]
        if e.ends:
            return None
        if made.op == "max_pool":
            if self.handles[above][1]:  # read through a function: left out
                return None
            below = self.number((e.src, e.link.passed, e.reads))
            term, matrix = e.pattern, np.eye(2)
        elif e.fixed:
            below = self.number((e.src, e.link.passed, 1))
            term, matrix = e.term, self._fitted(r, e)
        elif made.op in ("multiply", "gate"):
            return None
        else:
            below = self.number((e.src, e.link.passed, 1))
            readers = len(e.mix.makes) // e.mix.groups
            slopes = readers * e.factor * r.slopes
            matrix = np.stack([-self._taken_away(above, e) * slopes, slopes])
            into, source = np.nonzero(np.ones((2, 2)))
            return Strand(below, (e.term,), mixing=Mixing(into, source, matrix.ravel(), 2, 2))
        self.carried.setdefault(below, []).append(Carried(above, below, term, matrix))
        into, source = np.nonzero(np.ones((2, 2)))
        return Strand(below, (term,), mixing=Mixing(into, source, matrix.ravel(), 2, 2))

    def _taken_away(self, above: int, e: Edge) -> float:
        """What a norm right above takes away from what a layer reads: the mean of its channels."""
        passes = self.handles[above][1]
        if not passes or not self.forward.normalises(passes[0]) or not _by_channel(passes[0]):
            return 0.0
        return float(self.forward.handle(e.src, e.link.passed)[0].mean.mean())

    def _fitted(self, r: Reading, e: Edge) -> np.ndarray:
        """Amplitudes at one addend x of z: the line nearest to the gradient as x tells it."""
        mean = float(self.forward.handle(e.src, e.link.passed)[0].mean.mean())
        slope = e.factor * r.slopes
        return e.factor * np.stack([r.mean(r.basis) - slope * mean, slope])

    def squares(
        self, plan: Plan, found: Mapping[int, np.ndarray], handles: Sequence[int]
    ) -> tuple[Windows, np.ndarray]:
        """What the handles of one map add to its mean squares."""
        here = [h for h in handles if h in found]
        windows = tuple(
            (min(w[0] for w in spans), max(w[1] for w in spans))
            for spans in zip(*(plan.windows[h] for h in here), strict=True)
        )
        added = np.zeros([hi - lo for lo, hi in windows])
        for h in here:
            r = self.readings[h]
            part = added[_inside(plan.windows[h], windows)]
            part += _quadratic(found[h], r.squares)
            part -= float(r.mean(r.slope**2)) * self._counted(plan, found, h)
        return windows, np.maximum(added, 0)

    def _counted(self, plan: Plan, found: Mapping[int, np.ndarray], h: int) -> np.ndarray:
        """Mean squares, at a handle, of what came by fixed weights: they are there already."""
        total = np.zeros(plan.extents[h])
        if h == plan.start:
            total += 1.0
        for c in self.carried.get(h, ()):
            if c.above in found:
                part = np.einsum("ij,j...->i...", c.matrix, found[c.above])
                for a, axis in enumerate(c.term):
                    part = _pushed(part, axis, a, plan.windows[c.above][a], plan.windows[h][a])
                total += _quadratic(part, self.readings[h].values)
        return total


def _by_channel(by: Pass) -> bool:
    return KINDS[by.kind].over in ("batch", "positions")


def _quadratic(amplitudes: np.ndarray, products: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("i...,ij,j...->...", amplitudes, products, amplitudes))


def _pushed(part: np.ndarray, axis: axes.AxisMap, a: int, out: Window, src: Window) -> np.ndarray:
    """The adjoint of an axis map along one axis, between windows."""
    if axes.is_identity(axis) and out == src:
        return part
    block = axes.matrix(axis)[out[0] : out[1], src[0] : src[1]]
    moved = np.moveaxis(part, a + 1, 0)
    pushed = block.T @ moved.reshape(len(moved), -1)
    return np.moveaxis(pushed.reshape(-1, *moved.shape[1:]), 0, a + 1)


def _inside(window: Windows, of: Windows) -> tuple[slice, ...]:
    return tuple(slice(lo - o, hi - o) for (lo, hi), (o, _) in zip(window, of, strict=True))
