"""Profiles of the two maps of a comparison, along the axes and around their common centre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from erfgraph import shape as measures
from erfgraph.agreement.bootstrap import groups_of
from erfgraph.agreement.pair import support
from erfgraph.agreement.result import Comparison
from erfgraph.importance_map import ImportanceMap
from erfgraph.shape import bounding_box


@dataclass(frozen=True, eq=False)
class Profile:
    """A map summed or averaged to one number a position or a distance.

    Attributes
    ----------
    at : float64 array
        Positions, or distances.
    share : float64 array of that length
    low, high : float64 arrays of that length, or None
        Limits of the confidence interval, for a map with samples whose statistic is a mean of
        numbers that are never negative.
    """

    at: np.ndarray
    share: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def axis_profiles(found: Comparison, axis: int) -> tuple[Profile, Profile]:
    """Shares of a and b summed over all other axes, at every position of one."""
    rest = tuple(a for a in range(len(found.a.shape)) if a != axis)

    def summed(maps: np.ndarray) -> np.ndarray:
        return np.asarray(maps.sum(axis=tuple(1 + a for a in rest)))

    at = np.arange(found.a.shape[axis], dtype=float)
    return _profile("a", found.a, at, summed, found), _profile("b", found.b, at, summed, found)


def radial_profiles(found: Comparison) -> tuple[Profile, Profile]:
    """Mean shares of a and b in rings one unit wide around the middle of their centres of mass.

    Both are averaged over the same rings, out to the farthest unit that either map reaches;
    positions beyond the map count as 0.
    """
    a, b = found.a, found.b
    centre = tuple((x + y) / 2 for x, y in zip(a.centre_of_mass, b.centre_of_mass, strict=True))
    distance = measures.distances(a.shape, centre)
    either = support(a) | support(b)
    n = int(np.floor(distance[either].max() + 0.5)) + 1
    ring = np.floor(distance + 0.5).astype(np.int64)
    members = _members(centre, n)
    held = members > 0
    box = bounding_box(either)
    cut = tuple(slice(*side) for side in box or ())
    ring = np.minimum(ring[cut], n).ravel()

    def averaged(maps: np.ndarray) -> np.ndarray:
        rows = [
            np.bincount(ring, np.ascontiguousarray(m[cut]).ravel(), minlength=n + 1)[:n][held]
            for m in maps
        ]
        return np.asarray(np.stack(rows) / members[held])

    at = np.arange(n, dtype=float)[held]
    return _profile("a", a, at, averaged, found), _profile("b", b, at, averaged, found)


def _members(centre: tuple[float, ...], n: int) -> np.ndarray:
    """How many positions of an unbounded grid lie in each of n rings around a centre."""
    whole = [np.floor(c) for c in centre]
    shifted = tuple(n + c - w for c, w in zip(centre, whole, strict=True))
    distance = measures.distances((2 * n + 2,) * len(centre), shifted)
    ring = np.minimum(np.floor(distance + 0.5).astype(np.int64), n)
    return np.asarray(np.bincount(ring.ravel(), minlength=n + 1)[:n])


def _profile(
    name: str,
    imp: ImportanceMap,
    at: np.ndarray,
    reduce: Callable[[np.ndarray], np.ndarray],
    found: Comparison,
) -> Profile:
    """A profile of a map; `reduce` takes arrays (maps, *shape) and is linear."""
    share = reduce(imp.share[None])[0]
    groups = groups_of(name, imp) if found.draws else None
    if groups is None or not groups.linear:
        return Profile(at, share)
    totals = groups.means.reshape(len(groups), -1).sum(axis=1)
    random = np.random.default_rng(0)
    n = len(groups)
    weights = random.multinomial(n, np.full(n, 1 / n), found.draws) * groups.sizes
    drawn = (weights @ reduce(groups.means)) / (weights @ totals)[:, None]
    tails = [(1 - found.confidence) / 2, (1 + found.confidence) / 2]
    low, high = np.quantile(drawn, tails, axis=0)
    return Profile(at, share, low, high)
