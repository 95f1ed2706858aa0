"""The smallest theoretical field that reaches a feature map: over all ways through branches.

`erfgraph.arithmetic` gives the largest, the hull over the branches; what a layer can still
add to the map depends on the smallest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from erfgraph.arithmetic import Progression, through
from erfgraph.network import FeatureMap, Network
from erfgraph.patterns import patterns

Least = tuple[int | None, ...]  # per axis
_WHOLE = ("global_pool", "adaptive_pool", "linear")


def sees_everything(m: FeatureMap) -> bool:
    """Whether a layer's field depends on the size of its input: it reads all of it."""
    return m.op in _WHOLE or (m.op == "attention" and m.params.get("window") is None)


def smallest_fields(net: Network) -> list[Least]:
    """Per feature map and axis, the size of the smallest field of any way into it.

    A way picks one branch at every merge. Ways through a layer that reads everything (global
    or adaptive pool, linear, attention without windows) have no size of their own and do not
    count.

    Parameters
    ----------
    net : Network

    Returns
    -------
    list of tuple
        One per feature map, the input first; None where no way is left. Every axis by itself:
        the smallest field of one axis may be another way's than that of the other.

    Raises
    ------
    SizeError
        As `receptive_fields`.

    Notes
    -----
    In a network without upsampling every way into a map follows the recurrence of Araujo,
    Norris and Sim (Distill 2019), and of several ways of equal stride only the smallest has
    to be followed::

        r_l = min over branches b of  r_b + (k_l - 1) * S_b

    Behind transposed and upsampling layers the fields of neighbouring units differ; there
    every way is followed that no other of the same stride fits into, unit by unit.

    Examples
    --------
    The identity of a residual block keeps the field small:

    >>> import erfgraph as eg
    >>> net = eg.load("conv3 res(conv3p1 conv3p1)*4")
    >>> eg.receptive_field(net).size, smallest_fields(net)[-1]
    ((19,), (3,))
    """
    ways: list[tuple[list[Progression], ...]] = []
    for m in net.maps:
        ways.append(_ways(net, m, ways))
    return [
        tuple(_size(axis, n) for axis, n in zip(found, m.shape, strict=True))
        for m, found in zip(net.maps, ways, strict=True)
    ]


def _ways(
    net: Network, m: FeatureMap, known: Sequence[tuple[list[Progression], ...]]
) -> tuple[list[Progression], ...]:
    found: tuple[list[Progression], ...] = tuple([] for _ in m.shape)
    if not m.links:
        return tuple([Progression(1, ((0, 0),))] for _ in m.shape)
    if sees_everything(m):
        return found
    for i, link in enumerate(m.links):
        reads = patterns(m.op, m.params, net.maps[link.src].shape, m.shape, i)
        for axis, before in enumerate(known[link.src]):
            found[axis].extend(through(reads[axis], way) for way in before)
    return tuple(_needed(axis) for axis in found)


def _needed(ways: Iterable[Progression]) -> list[Progression]:
    """The ways that may still become the smallest: none of equal stride fits into them."""
    by_stride: dict[Fraction, list[Progression]] = {}
    for way in dict.fromkeys(ways):
        if all(hull is None for hull in way.hulls):
            continue
        kept = by_stride.setdefault(way.stride, [])
        if not any(_fits(other, way) for other in kept):
            kept[:] = [other for other in kept if not _fits(way, other)] + [way]
    return [way for kept in by_stride.values() for way in kept]


def _fits(inner: Progression, outer: Progression) -> bool:
    """Whether one's fields, all moved by the same shift, lie inside the other's."""
    least, most = -math.inf, math.inf
    for unit in range(math.lcm(len(inner.hulls), len(outer.hulls))):
        a, b = inner.hull(unit), outer.hull(unit)
        if a is None or b is None:
            if a is not b:
                return False
            continue
        least, most = max(least, b[0] - a[0]), min(most, b[1] - a[1])
    return least <= most


def _size(ways: Sequence[Progression], n: int) -> int | None:
    """The smallest way's largest field, of the units that there are."""
    sizes = []
    for way in ways:
        hulls = [h for u in range(min(n, len(way.hulls))) if (h := way.hull(u)) is not None]
        sizes += [max(h[1] - h[0] + 1 for h in hulls)] if hulls else []
    return min(sizes, default=None)
