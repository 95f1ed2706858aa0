"""Views of a network for the measures that look at weights: what pushes where, how heavily.

For `uniform` weights multiply along every path. For `variance` mean squares do, but for fixed
weights, which are composed along `Route`s before they are squared. A map at which correlated
numbers arrive has two nodes in the view: one for what arrives through drawn weights, which is
uncorrelated and so the root of routes, and one for all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from erfgraph import axes
from erfgraph.channels import Channels, Mix, listed
from erfgraph.drawn import DRAWN
from erfgraph.featuremap import FeatureMap
from erfgraph.forward import Forward, depths
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.routes import (
    Mask,
    Route,
    by_root,
    channel_matrix,
    extended,
    root_route,
    signature,
    squared,
    stays_diagonal,
)
from erfgraph.view import Strand, View
from erfgraph.weighting import Edge, Weighting, edges_of, mean_edges

MOST_ROUTES = 48  # into one map; beyond, what arrives is taken as uncorrelated


def needed(net: Network, start: int, stops: Iterable[int]) -> list[int]:
    """Maps on ways from a map down to others, last first."""
    reached = {start}
    for i in range(start, -1, -1):
        if i in reached:
            reached.update(link.src for link in net.maps[i].links)
    leading = set(stops)
    for i in range(start + 1):
        if any(link.src in leading for link in net.maps[i].links):
            leading.add(i)
    return [i for i in range(start, -1, -1) if i in reached and i in leading] or [start]


def uniform_view(net: Network, start: int, asked: Channels, stops: Sequence[int]) -> View:
    """What pushes where when every layer averages what it reads."""
    order = needed(net, start, stops)
    kept = set(order)
    lowest = min(stops)
    pushes = {
        i: tuple(
            Strand(e.src, (e.term,), e.mix, e.factor)
            for e in mean_edges(net, net.maps[i])
            if e.src in kept and i > lowest
        )
        for i in order
    }
    shapes = tuple(m.shape for m in net.maps)
    return View(shapes, pushes, tuple(order), tuple(m.channels for m in net.maps), asked, True)


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """The part of a network on ways between a map and others, with what its links weigh.

    Attributes
    ----------
    visit : list of int
        Maps, last first.
    edges : dict of int to list of Edge
        Of every map.
    forward : Forward or None
        Where elementwise functions count.
    """

    visit: list[int]
    edges: dict[int, list[Edge]]
    forward: Forward | None


def weighed(net: Network, top: FeatureMap, stops: Sequence[int], w: Weighting) -> Weighed:
    """What the links between a map and others weigh for ``"variance"``."""
    visit = needed(net, top.index, stops)
    kept, lowest = set(visit), min(stops)
    forward = Forward(net, w.init, w.batchnorm == "batch", top) if w.follows else None
    depth = depths(net) if w.zero_residual else None
    edges = {
        i: [
            e
            for e in edges_of(net, net.maps[i], w, forward, depth)
            if e.src in kept and i > lowest
        ]
        for i in visit
    }
    return Weighed(visit, edges, forward)


def variance_view(
    net: Network, start: int, asked: Channels, stops: Sequence[int], part: Weighed
) -> View:
    """What pushes where when weights are drawn independently."""
    build = _Build(net, part.visit, set(stops))
    build.run(start, part)
    pushes = {i: tuple(build.pushes.get(i, ())) for i in build.order}
    shapes, channels = zip(*build.nodes, strict=True)
    return View(shapes, pushes, tuple(build.order), channels, asked, True)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Correlated numbers of one root on their way through a layer of one tap.

    Attributes
    ----------
    signature : tuple
        Of its routes.
    routes : list of Route
    strand : (root, mix, factor, gains)
        From the root to the one that takes its place.
    """

    signature: Any
    routes: list[Route]
    strand: tuple[int, Mix, float, np.ndarray | None]


@dataclass
class _Build:
    """A variance view under construction; maps are visited last first."""

    net: Network
    visit: list[int]
    wanted: set[int]
    pushes: dict[int, list[Strand]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    # what is on its way to a map that has not been visited yet
    routes: dict[int, list[Route]] = field(default_factory=dict)
    drawn: dict[int, list[tuple[int, Edge]]] = field(default_factory=dict)
    kept: dict[int, list[Kept]] = field(default_factory=dict)
    # shape and channels of every node: of maps, of what arrives at them, of further roots
    nodes: list[tuple[Shape, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = [(m.shape, m.channels) for m in self.net.maps] * 2

    def run(self, start: int, part: Weighed) -> None:
        """Visit all maps."""
        edges, forward = part.edges, part.forward
        below = self._fixed_below(edges)
        for i in self.visit:
            m = self.net.maps[i]
            whole = self._arrive(m, i == start, below, edges[i], forward)
            for e in edges[i]:
                if e.fixed:
                    self._continue(e, whole, forward)
                elif not self._keep(e, whole, forward):
                    self.drawn.setdefault(e.src, []).append((i, e))

    def _fixed_below(self, edges: dict[int, list[Edge]]) -> dict[int, int]:
        """For every map, those that fixed weights lead to from it, itself too, as bits."""
        found: dict[int, int] = {}
        for i in reversed(self.visit):
            bits = 1 << i
            for e in edges[i]:
                if e.fixed:
                    bits |= found[e.src]
            found[i] = bits
        return found

    def _arrive(
        self,
        m: FeatureMap,
        starts: bool,
        below: dict[int, int],
        edges: list[Edge],
        forward: Forward | None,
    ) -> list[Route]:
        """Join what arrives at a map; what it is of roots from here on."""
        i = m.index
        routes, drawn = self.routes.pop(i, []), self.drawn.pop(i, [])
        over = [(source, e) for source, e in drawn if e.ends and i in self.wanted]
        drawn = [(source, e) for source, e in drawn if not e.ends]
        routes += self._joined_roots(m)
        fresh = not over and (not routes or len(routes) > MOST_ROUTES)
        fresh = fresh or (
            not over and stays_diagonal(routes) and not self._met_again(routes, below, i)
        )
        own = i if fresh else len(self.net.maps) + i
        for source, e in drawn:
            self._push(source, own, e, forward)
        for source, e in over:
            self._push(source, i, e, forward)
        if starts or (drawn and not fresh):
            self.order.append(own)
        if fresh:
            if not starts:
                self.order.append(i)
            self._join(routes, m)
            return [root_route(i, m.shape)]
        whole = [*routes, *([root_route(own, m.shape)] if drawn else [])]
        if i in self.wanted or any(not e.fixed for e in edges):
            self.order.append(i)
            self._join(whole, m)
        return whole

    def _met_again(self, routes: list[Route], below: dict[int, int], i: int) -> bool:
        """Whether a root's numbers also come by a way that avoids this map, and meet below it."""
        roots = {route.root for route in routes}
        return any(
            below[other] & below[i]
            for other, pending in self.routes.items()
            if any(route.root in roots for route in pending)
        )

    def _join(self, routes: list[Route], m: FeatureMap) -> None:
        """Strands from roots to a map, mean squares of what leads there."""
        for root, group in by_root(routes).items():
            for s in squared(group, (self.nodes[root][1], m.channels)):
                strand = Strand(m.index, (s.term,), s.mix, s.factor, s.gains)
                self.pushes.setdefault(root, []).append(strand)

    def _keep(self, e: Edge, whole: list[Route], forward: Forward | None) -> bool:
        """Correlations that go on through a layer of one tap; False if there are none.

        Every position gets the same weights, so its numbers are correlated as those above are:
        the routes stay, from roots that have other channels. Not so where an activation's
        slopes differ from position to position.
        """
        one_tap = self.net.maps[e.made].op in DRAWN and all(map(axes.is_identity, e.term))
        groups = by_root(whole)
        signatures = {root: signature(routes) for root, routes in groups.items()}
        if not one_tap or stays_diagonal(whole) or None in signatures.values():
            return False
        factor, gains = e.factor, None
        if forward is not None:
            _, gain = forward.read(self.net.maps[e.made], e.link)
            if gain.drawn or any(r.masks for r in whole):
                return False
            factor, gains = _common(gain.square[listed(e.mix.reads)], factor)
        for root, routes in groups.items():
            strand = (root, e.mix, factor * routes[0].factor ** 2, gains)
            self.kept.setdefault(e.src, []).append(Kept(signatures[root], routes, strand))
        return True

    def _joined_roots(self, m: FeatureMap) -> list[Route]:
        """Roots of what correlated numbers above a map became; those with equal routes are one."""
        joined: dict[Any, list[Kept]] = {}
        for one in self.kept.pop(m.index, []):
            joined.setdefault(one.signature, []).append(one)
        arriving: list[Route] = []
        for group in joined.values():
            routes = group[0].routes
            shape = self.nodes[routes[0].root][0]
            node = len(self.nodes)
            self.nodes.append((shape, m.channels))
            self.order.append(node)
            still = tuple(map(axes.identity, shape))
            for one in group:
                root, mix, factor, gains = one.strand
                strand = Strand(node, (still,), mix, factor, gains)
                self.pushes.setdefault(root, []).append(strand)
            first = routes[0].factor
            arriving += [replace(r, root=node, factor=r.factor / first) for r in routes]
        return arriving

    def _push(self, source: int, target: int, e: Edge, forward: Forward | None) -> None:
        """A strand through drawn weights."""
        factor, gains = e.factor, None
        if forward is not None and e.link.passed:
            _, gain = forward.read(self.net.maps[e.made], e.link)
            factor, gains = _common(gain.square[listed(e.mix.reads)], factor)
        strand = Strand(target, (e.term,), e.mix, factor, gains)
        self.pushes.setdefault(source, []).append(strand)

    def _continue(self, e: Edge, whole: list[Route], forward: Forward | None) -> None:
        """Routes through fixed weights."""
        made, read = self.net.maps[e.made], self.net.maps[e.src]
        factor, gains = e.factor, None
        mask: Mask | None = None
        if forward is not None and e.link.passed:
            _, gain = forward.read(made, e.link)
            if gain.drawn:
                used = listed(e.mix.reads)
                mean, square = float(gain.mean[used].mean()), float(gain.square[used].mean())
                square *= forward.together(made, e.link)
                mask = ((e.src, e.link.passed), mean, square)
            else:
                factor, gains = _common(gain.mean, factor)
        matrix = channel_matrix(e.mix, made.channels, read.channels, gains)
        further = [extended(route, e.term, factor, matrix) for route in whole]
        if mask is not None:
            further = [replace(route, masks=(*route.masks, mask)) for route in further]
        self.routes.setdefault(e.src, []).extend(further)


def _common(gains: np.ndarray, factor: float) -> tuple[float, np.ndarray | None]:
    """Gains that are all the same become part of the factor."""
    if (gains == gains[0]).all():
        return factor * float(gains[0]), None
    return factor, gains
