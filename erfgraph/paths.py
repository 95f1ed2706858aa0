"""Path counts by the matrix-free sweep, with the number type chosen from a bound.

Before a sweep, a bound on the total of every feature map is known: each link multiplies the
total by at most the largest number of reads of one unit. Where all bounds fit, counts travel
as int64; where not, as `wide` integers; in float64, maps whose bound passes 2**900 are kept
scaled by a power of two. Nothing is left to luck, and nothing overflows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from erfgraph import wide
from erfgraph.counts import LARGEST_INT64, Counts, float_scale
from erfgraph.errors import SizeError
from erfgraph.plan import MOST_PLANS, Numbers, Plan, run
from erfgraph.wide import Wide


@dataclass(frozen=True)
class WideNumbers(Numbers):
    """Counts as limbs, with carries where a bound asks for them."""

    n_limbs: dict[int, int]
    carries: frozenset[int]

    def lanes(self, index: int) -> int:
        """Limbs of a map."""
        return self.n_limbs[index]

    def ready(self, index: int, values: np.ndarray) -> np.ndarray:
        """Carry, if what is pushed on might pass 2**63 otherwise."""
        if index in self.carries:
            wide.carry(values)
        return values


@lru_cache(maxsize=MOST_PLANS)
def wide_numbers(plan: Plan) -> WideNumbers:
    """Limbs per map, and the maps that must carry before they push on."""
    largest = dict.fromkeys(plan.order, 0)  # bound on the limbs of a map
    largest[plan.start] = 1
    carries = set()
    for index in plan.order:
        pushes = plan.pushes[index]
        most = max((p.gain * plan.inflow[p.target] for p in pushes), default=0)
        if largest[index] * most > wide.LIMB_LIMIT:
            carries.add(index)
            largest[index] = wide.MASK
            if wide.MASK * most > wide.LIMB_LIMIT:
                raise SizeError(
                    f"a unit of feature map {index} is read {most} times, "
                    "too often for exact counts; use exact=False"
                )
        for push in pushes:
            largest[push.target] += largest[index] * push.gain
    lanes = {index: wide.limbs_for(plan.bounds[index]) for index in plan.order}
    return WideNumbers(np.int64, lanes, frozenset(carries))


@dataclass(frozen=True)
class ScaledNumbers(Numbers):
    """Float64 scaled per map by a power of two."""

    scales: dict[int, int]

    def fit(self, source: int, target: int, values: np.ndarray) -> np.ndarray:
        """Numbers of one map in the scale of another."""
        change = self.scales[source] - self.scales[target]
        return np.ldexp(values, change) if change else values


@lru_cache(maxsize=MOST_PLANS)
def scaled_numbers(plan: Plan) -> ScaledNumbers:
    """Scales that keep every map's numbers below 2**900."""
    scales = {index: float_scale(plan.bounds[index]) for index in plan.order}
    return ScaledNumbers(np.float64, scales)


def count(plan: Plan, keep: Iterable[int], exact: bool = True) -> dict[int, Counts]:
    """Path counts of feature maps, backward or forward as the plan says.

    Parameters
    ----------
    plan : Plan
    keep : iterable of int
        Feature maps whose counts are wanted.
    exact : bool, optional
        Exact integers, or float64.

    Returns
    -------
    dict of int to Counts
        Without the maps that no path reaches.
    """
    keep = set(keep)
    if not exact:
        numbers = scaled_numbers(plan)
        found = run(plan, numbers, keep)
        scaled = {index for index in found if numbers.scales[index]}
        where = run(plan, Numbers(bool), scaled) if scaled else {}
        return {
            i: Counts(values[0], numbers.scales[i], where[i][0] if i in where else None)
            for i, values in found.items()
        }
    if max(plan.bounds.values()) <= LARGEST_INT64:
        found = run(plan, Numbers(np.int64), keep)
        return {i: Counts(values[0]) for i, values in found.items()}
    found = run(plan, wide_numbers(plan), keep)
    return {i: Counts(narrow(values)) for i, values in found.items()}


def narrow(limbs: np.ndarray) -> np.ndarray | Wide:
    """Finished counts: int64 if even the largest fits, else wide."""
    limbs = limbs.copy()  # a shared array may be another map's too
    wide.carry(limbs)
    while len(limbs) > 1 and not limbs[-1].any():
        limbs = limbs[:-1]
    if len(limbs) == 1:
        return np.asarray(limbs[0])
    if len(limbs) == 2 and limbs[1].max() < 1 << 31:
        return np.asarray(limbs[0] + (limbs[1] << wide.BITS))
    return Wide(limbs)


def reach(plan: Plan, keep: Iterable[int]) -> dict[int, np.ndarray]:
    """Where paths lead at all: a bool array on the window of every kept map."""
    return {i: values[0] for i, values in run(plan, Numbers(bool), keep).items()}
