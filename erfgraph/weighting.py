"""What a path weighs: `Weighting`, and the weight of every link under it.

A layer's weights are *drawn* (convolution, linear), *fixed* (average, interpolation, copy),
*chosen* (max pool: one of what it reads, each equally likely) or *factors* (a product: what
the other factor holds). `Edge` says so of one share of a link.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from erfgraph import axes, params
from erfgraph.channels import Mix, pick
from erfgraph.drawn import DRAWN, drawn_variance, fan_in
from erfgraph.errors import InputError, unknown_name
from erfgraph.featuremap import FeatureMap, Link
from erfgraph.fixed_weights import fixed_term, shared
from erfgraph.forward import Forward, ends_branch
from erfgraph.initial import OWN, check_init
from erfgraph.layers import Term
from erfgraph.network import Network
from erfgraph.routes import composed

WEIGHTED = ("uniform", "variance")
BATCHNORMS = ("identity", "batch")
SCALARS = ("sum", "channel")


@dataclass(frozen=True, slots=True)
class Weighting:
    """How weights are drawn, and what elementwise functions do to a gradient.

    Attributes
    ----------
    init : str, optional
        A rule of `erfgraph.initial`; None: variance 1/fan-in, and elementwise functions pass
        everything.
    batchnorm : {"identity", "batch"}
        Batch norms in evaluation mode at initialisation, or normalising by the batch.
    zero_residual : bool
        Whether the norm that ends a residual branch multiplies by zero.
    scalar : {"sum", "channel"}
        What is differentiated: the sum of the unit's channels, or one of them.
    """

    init: str | None = None
    batchnorm: str = "identity"
    zero_residual: bool = False
    scalar: str = "sum"

    @property
    def follows(self) -> bool:
        """Whether elementwise functions count."""
        return self.init is not None or self.batchnorm == "batch"


def weighting(
    net: Network,
    measure: str = "variance",
    init: str | None = None,
    batchnorm: str = "identity",
    zero_residual: bool = False,
    scalar: str = "sum",
) -> Weighting:
    """A checked `Weighting` for a network.

    Raises
    ------
    NameLookupError
        If there is no such rule or mode.
    InputError
        If the network has no initialisation of its own and that is asked for, or a measure
        other than ``"variance"`` is to look at any of this.
    """
    given = Weighting(init, batchnorm, zero_residual, scalar)
    for key in ("init", "batchnorm", "zero_residual", "scalar"):
        value = getattr(given, key)
        if measure != "variance" and value != getattr(Weighting(), key):
            raise InputError(f"{key}: got {value!r}, but only measure 'variance' looks at it")
    if batchnorm not in BATCHNORMS:
        raise unknown_name("batchnorm", str(batchnorm), BATCHNORMS)
    if not isinstance(zero_residual, bool):
        raise InputError(f"zero_residual: got {zero_residual!r}, wanted True or False")
    if scalar not in SCALARS:
        raise unknown_name("scalar", str(scalar), SCALARS)
    rule = None if init is None else check_init(init)
    if rule == OWN:
        if net.init is None:
            raise InputError(
                f"init: {OWN!r} is the rule that a network of the zoo names as its own; "
                f"{net.name or 'this network'!r} names none"
            )
        rule = net.init
    return Weighting(rule, batchnorm, zero_residual, scalar)


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """One share of a link, with what it weighs.

    Attributes
    ----------
    made, src : int
        Indices of the maps.
    fixed : bool
        Whether weights are fixed, so that ways of it must be composed before they are squared;
        `factor` and the axis maps then hold weights, else mean squares of weights.
    term : tuple of AxisMap
    factor : float
        For all entries of the term and the mix.
    mix : Mix
    link : Link
        The link itself, for what it passes.
    pattern : tuple of AxisMap
        The term without weights.
    ends : bool
        Whether what it hands on goes no further: a max pool that reads a max pool is one pool
        of a larger window, and has an edge of its own to what that window reads.
    """

    made: int
    src: int
    fixed: bool
    term: Term
    factor: float
    mix: Mix
    link: Link
    pattern: Term
    ends: bool = False

    @property
    def reads(self) -> int:
        """The most positions that a unit reads."""
        return math.prod(int(axes.largest_sums(axis)[0]) for axis in self.pattern)


def edges_of(
    net: Network,
    m: FeatureMap,
    w: Weighting,
    forward: Forward | None,
    depth: list[int] | None,
) -> Iterator[Edge]:
    """The shares of a map's links for ``"variance"``.

    Parameters
    ----------
    net : Network
    m : FeatureMap
    w : Weighting
    forward : Forward, optional
        Where elementwise functions count.
    depth : list of int, optional
        Of `depths`, where residual branches end with zero.
    """
    for link in m.links:
        read = net.maps[link.src]
        if depth is not None and ends_branch(m, link, depth):
            continue
        for part in link.parts:
            for pattern in part.terms:
                term, found = pattern, fixed_term(m, read, pattern)
                if found is not None:
                    term, factor = found[0], found[1] * fixed_mix(m, part.mix)
                elif m.op in DRAWN:
                    factor = drawn_variance(m, read, part.mix, w.init)
                elif m.op == "max_pool":
                    yield from _chosen(net, m, part.mix, link, pattern)
                    continue
                else:
                    factor = 1.0 if forward is None else forward.factor(m, link)
                fixed = found is not None
                yield Edge(m.index, link.src, fixed, term, factor, part.mix, link, pattern)


def _chosen(net: Network, m: FeatureMap, mix: Mix, link: Link, pattern: Term) -> Iterator[Edge]:
    """A max pool's edges: to what it reads and, through pools in a row, to what they read."""
    read = net.maps[link.src]
    further = read.op == "max_pool" and not link.passed
    term, factor = chosen_term(pattern)
    yield Edge(m.index, link.src, False, term, factor, mix, link, pattern, ends=further)
    if further:
        below = read.links[0]
        inner = below.parts[0]
        joined = tuple(
            axes.once(composed(a, b)) for a, b in zip(pattern, inner.terms[0], strict=True)
        )
        through = Mix(pick(inner.mix.reads, mix.reads), mix.makes, mix.groups)
        yield from _chosen(net, m, through, below, joined)


def mean_edges(net: Network, m: FeatureMap) -> Iterator[Edge]:
    """The shares of a map's links for ``"uniform"``: every layer averages what it reads."""
    for link in m.links:
        read = net.maps[link.src]
        for part in link.parts:
            for pattern in part.terms:
                term, found = pattern, fixed_term(m, read, pattern)
                if found is not None:
                    term, factor = found[0], found[1] * fixed_mix(m, part.mix)
                elif m.op in DRAWN:
                    factor = 1 / fan_in(m, read, part.mix)
                elif m.op == "max_pool":
                    factor = 1 / math.prod(params.kernel_size(m.params["kernel"], len(read.shape)))
                else:
                    factor = 1.0
                yield Edge(m.index, link.src, True, term, factor, part.mix, link, pattern)


def fixed_mix(m: FeatureMap, mix: Mix) -> float:
    """What a fixed layer multiplies channels by: a pool over channels is their mean."""
    return mix.groups / len(mix.reads) if m.op == "channel_pool" else 1.0


def chosen_term(term: Term) -> tuple[Term, float]:
    """A max pool's term: of the positions that a window reads, each is as likely the largest."""
    found = [shared(axis) for axis in term]
    return tuple(axis for axis, _ in found), math.prod(factor for _, factor in found)
