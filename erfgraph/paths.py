"""Path counts by the matrix-free sweep, with the number type chosen from a bound.

Before a sweep, a bound on the total of every feature map is known: each link multiplies the
total by at most the largest number of reads of one unit. Where all bounds fit, counts travel
as int64; where not, as `wide` integers; in float64, maps whose bound passes 2**900 are kept
scaled by a power of two. Nothing is left to luck, and nothing overflows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from erfgraph import wide
from erfgraph.channels import Channels
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
            wide.carry(_by_limbs(values, self.n_limbs[index]))
        return values


def _by_limbs(values: np.ndarray, n_limbs: int) -> np.ndarray:
    """A view of lanes that tells limbs from classes: shape (limbs, classes, *window)."""
    return values.reshape(n_limbs, -1, *values.shape[1:])


@lru_cache(maxsize=MOST_PLANS)
def wide_numbers(plan: Plan) -> WideNumbers:
    """Limbs per map, and the maps that must carry before they push on."""
    largest = dict.fromkeys(plan.order, 0)  # bound on the limbs of a map
    largest[plan.start] = max(plan.seeds)
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


def count(
    plan: Plan,
    keep: Iterable[int],
    exact: bool = True,
    views: Mapping[int, Channels | None] | None = None,
) -> dict[int, Counts]:
    """Path counts of feature maps, backward or forward as the plan says.

    Parameters
    ----------
    plan : Plan
    keep : iterable of int
        Feature maps whose counts are wanted.
    exact : bool, optional
        Exact integers, or float64.
    views : mapping of int to channels, optional
        Where the plan tells channels apart: which channels of a map are summed over; default
        all.

    Returns
    -------
    dict of int to Counts
        Without the maps that no path reaches.
    """
    keep = {index for index in keep if index in plan.windows}
    sizes = {index: np.ones(1, dtype=np.int64) for index in keep}
    if plan.classes is not None:
        views = views or {}
        sizes = {index: plan.classes[index].sizes(views.get(index)) for index in keep}
        keep = {index for index in keep if sizes[index].any()}
    if not exact:
        numbers = scaled_numbers(plan)
        found = run(plan, numbers, keep)
        scaled = {index for index in found if numbers.scales[index]}
        where = run(plan, Numbers(bool), scaled) if scaled else {}
        return {
            i: Counts(
                summed(values[None], sizes[i])[0],
                numbers.scales[i],
                np.any(where[i][sizes[i] > 0], axis=0) if i in where else None,
            )
            for i, values in found.items()
        }
    most = [plan.bounds[i] * int(sizes[i].max()) for i in keep]
    if max([*plan.bounds.values(), *most]) <= LARGEST_INT64:
        found = run(plan, Numbers(np.int64), keep)
        return {i: Counts(summed(values[None], sizes[i])[0]) for i, values in found.items()}
    limbs = wide_numbers(plan)
    found = run(plan, limbs, keep)
    return {
        i: Counts(narrow(_wide_sum(_by_limbs(values, limbs.lanes(i)), sizes[i])))
        for i, values in found.items()
    }


def summed(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The sum over channels: shape (limbs, classes, *window) to (limbs, *window)."""
    if len(sizes) == 1:
        return values[:, 0] if sizes[0] == 1 else values[:, 0] * sizes[0]
    return np.asarray(sum(values[:, k] * sizes[k] for k in np.flatnonzero(sizes)))


def _wide_sum(limbs: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The same of wide integers: limbs of their own, carried, with one more for the carries."""
    if int(limbs.max()) * int(sizes.sum()) > wide.LIMB_LIMIT:
        limbs = limbs.copy()
        wide.carry(limbs)
    total = np.zeros((len(limbs) + 1, *limbs.shape[2:]), dtype=np.int64)
    total[:-1] = summed(limbs, sizes)
    wide.carry(total)
    return total


def narrow(limbs: np.ndarray) -> np.ndarray | Wide:
    """Finished counts from carried limbs: int64 if even the largest fits, else wide."""
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
