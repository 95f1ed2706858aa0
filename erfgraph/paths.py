"""Path counts by the matrix-free sweep, with the number type chosen from a bound.

Before a sweep, a bound on the total of every feature map is known: each link multiplies the
total by at most the largest number of reads of one unit. Where all bounds fit, counts travel
as int64; where not, as `wide` integers; in float64, maps whose bound passes 2**900 are kept
scaled by a power of two. Nothing is left to luck, and nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from erfgraph import wide
from erfgraph.channels import Channels
from erfgraph.counts import LARGEST_INT64, Counts, float_scale
from erfgraph.errors import SizeError
from erfgraph.factors import factors, product, require_room
from erfgraph.number_types import BOOL, INT64, Numbers
from erfgraph.plan import Plan
from erfgraph.running import run
from erfgraph.view import MOST_PLANS


@dataclass(frozen=True, eq=False)
class WideNumbers(Numbers):
    """Counts as limbs, with carries where a bound asks for them."""

    n_limbs: dict[int, int]
    carries: frozenset[int]

    def lanes(self, index: int) -> int:
        """Limbs of a map."""
        return self.n_limbs[index]

    def settle(self, index: int) -> Callable[[np.ndarray], None] | None:
        """Carry, if what is pushed on might pass 2**63 otherwise."""
        if index not in self.carries:
            return None
        return lambda values: wide.carry(_by_limbs(values, self.n_limbs[index]))


def _by_limbs(values: np.ndarray, n_limbs: int) -> np.ndarray:
    """A view of lanes that tells limbs from classes: shape (limbs, classes, *window)."""
    return values.reshape(n_limbs, -1, *values.shape[1:])


@lru_cache(maxsize=MOST_PLANS)
def wide_numbers(plan: Plan) -> WideNumbers:
    """Limbs per map, and the maps that must carry before they push on."""
    largest = dict.fromkeys(plan.order, 0)  # bound on the limbs of a map
    largest[plan.start] = max(plan.seeds)
    carries = set()
    gains = _gains(plan)
    for index in plan.order:
        pushes, most = plan.pushes[index], gains[index]
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


def _gains(plan: Plan) -> dict[int, int]:
    """For every map, the most by which its numbers grow until they can be carried again.

    A map that only copies another's numbers cannot do so better than that one, whose memory it
    shares: carried there, all that read the numbers gain.
    """
    gains: dict[int, int] = {}
    for index in reversed(plan.order):
        gains[index] = 0
        for p in plan.pushes[index]:
            copied = p.gain == plan.inflow[p.target] == 1
            grown = gains[p.target] if copied else p.gain * plan.inflow[p.target]
            gains[index] = max(gains[index], grown, 1)
    return gains


@dataclass(frozen=True, eq=False)
class ScaledNumbers(Numbers):
    """Float64 scaled per map by a power of two."""

    scales: dict[int, int]

    @cached_property
    def scaled(self) -> bool:
        """Whether a map is scaled, so that rounding may lose where paths lead at all."""
        return any(self.scales.values())

    def scale(self, index: int) -> int:
        """Power of two by which a map's numbers are divided."""
        return self.scales[index]

    def shift(self, source: int, target: int) -> int:
        """From the scale of one map to that of another."""
        return self.scales[source] - self.scales[target]


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
    if (along := factors(plan)) is not None:
        return _chain(plan, along, keep, exact)
    sizes = sizes_of(plan, keep, views)
    numbers = numbers_for(plan, exact, sizes)
    found = run(plan, numbers, sizes)
    lost = [i for i in found if numbers.scale(i)] if numbers.scaled else []
    where = run(plan, BOOL, lost) if lost else {}
    made: dict[object, Counts] = {}
    result = {}
    for index, values in found.items():
        n = sizes[index]
        # maps that share an array share counts, unless they differ in the channels asked for
        key = id(values) if n is None else (index,)
        counts = made.get(key)
        if counts is None:
            counts = made[key] = finished(numbers, index, values, n, where.get(index))
        result[index] = counts
    return result


def _chain(
    plan: Plan, along: Sequence[Plan], keep: Iterable[int], exact: bool
) -> dict[int, Counts]:
    """Path counts of a chain: of each axis by itself, then multiplied."""
    keep = [index for index in keep if index in plan.windows]
    require_room((plan.extents[i] for i in keep), plan.most, exact, "this sweep")
    found = {axis: count(axis, keep, exact) for axis in set(along)}
    scales = {} if exact else scaled_numbers(plan).scales
    return {
        i: product([found[axis][i] for axis in along], plan.bounds[i], scales.get(i, 0))
        for i in keep
    }


Sizes = Mapping[int, np.ndarray | None]


def sizes_of(
    plan: Plan, keep: Iterable[int], views: Mapping[int, Channels | None] | None = None
) -> Sizes:
    """Of every wanted map that is reached, the channels of each class; None: collapsed."""
    if plan.classes is None:
        return dict.fromkeys(i for i in keep if i in plan.windows)
    views = views or {}
    every = {i: plan.classes[i].sizes(views.get(i)) for i in keep if i in plan.windows}
    return {i: n for i, n in every.items() if n.any()}


def numbers_for(plan: Plan, exact: bool, sizes: Sizes) -> Numbers:
    """The number type that the bounds ask for."""
    if not exact:
        return scaled_numbers(plan)
    most = plan.most
    if plan.classes is not None:
        sums = (plan.bounds[i] * int(n.max()) for i, n in sizes.items() if n is not None)
        most = max([most, *sums])
    return INT64 if most <= LARGEST_INT64 else wide_numbers(plan)


def finished(
    numbers: Numbers,
    index: int,
    values: np.ndarray,
    sizes: np.ndarray | None,
    where: np.ndarray | None = None,
) -> Counts:
    """The counts of a map from the numbers that a sweep leaves, shape (lanes, *window)."""
    if isinstance(numbers, WideNumbers):
        if sizes is not None:
            values = _wide_sum(_by_limbs(values, numbers.lanes(index)), sizes)
        return Counts(wide.narrow(values))
    if sizes is None:
        return Counts(values[0], numbers.scale(index), None if where is None else where[0])
    where = None if where is None else np.any(where[sizes > 0], axis=0)
    return Counts(summed(values[None], sizes)[0], numbers.scale(index), where)


def summed(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The sum over channels: shape (limbs, classes, *window) to (limbs, *window)."""
    if len(sizes) == 1:
        return values[:, 0] if sizes[0] == 1 else values[:, 0] * sizes[0]
    return np.asarray(sum(values[:, k] * sizes[k] for k in np.flatnonzero(sizes)))


def _wide_sum(limbs: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The same of wide integers: limbs of their own, with one more for the carries."""
    if int(limbs.max()) * int(sizes.sum()) > wide.LIMB_LIMIT:
        limbs = limbs.copy()
        wide.carry(limbs)
    total = np.zeros((len(limbs) + 1, *limbs.shape[2:]), dtype=np.int64)
    total[:-1] = summed(limbs, sizes)
    return total


def reach(plan: Plan, keep: Iterable[int]) -> dict[int, np.ndarray]:
    """Where paths lead at all: a bool array on the window of every kept map."""
    return {i: values[0] for i, values in run(plan, BOOL, keep).items()}
