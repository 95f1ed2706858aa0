"""The measures that look at weights: `uniform` and `variance`, in float64.

The sweep is that of the path counts (`erfgraph.plan`); what is pushed is multiplied by weights,
or by their mean squares. Numbers are kept scaled by a power of two where they might leave the
range of float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from erfgraph.channels import Channels
from erfgraph.counts import FLOAT_BITS, FLOAT_STEP, Counts
from erfgraph.featuremap import FeatureMap
from erfgraph.forward import Forward
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.paths import ScaledNumbers, summed
from erfgraph.plan import MOST_PLANS, Numbers, Plan, compile_plan, kept_plan, run
from erfgraph.weighted_view import uniform_view, variance_view
from erfgraph.weighting import Weighting


@dataclass(frozen=True)
class WeightedNumbers(ScaledNumbers):
    """Float64 scaled per map by a power of two, in either direction."""


@lru_cache(maxsize=MOST_PLANS)
def weighted_numbers(plan: Plan) -> WeightedNumbers:
    """Scales that keep every map's numbers well inside the range of float64."""
    scales = {index: _scale(plan.bounds[index]) for index in plan.order}
    return WeightedNumbers(np.float64, scales)


def _scale(log2: float) -> int:
    if not abs(log2) > FLOAT_BITS // 2 or not np.isfinite(log2):
        return 0
    return round(log2 / FLOAT_STEP) * FLOAT_STEP


def weighted_plan(
    net: Network,
    measure: str,
    start: int,
    unit: Shape,
    stops: tuple[int, ...],
    asked: Channels,
    weighting: Weighting,
) -> Plan:
    """The compiled sweep of a measure, kept with the network for the next call."""

    def make() -> Plan:
        if measure == "uniform":
            seen = uniform_view(net, start, asked, stops)
        else:
            seen = variance_view(net, start, asked, stops, weighting)
        return compile_plan(seen, start, tuple((u, u + 1) for u in unit))

    return kept_plan(net, (measure, start, unit, stops, asked, weighting), make)


def start_gain(net: Network, top: FeatureMap, w: Weighting) -> float:
    """Mean square of what the functions after the unit's own map multiply its gradient by."""
    if not w.follows or not top.passed:
        return 1.0
    _, gain = Forward(net, w.init, w.batchnorm == "batch").handle(top.index, top.passed)
    return float(gain.square.mean())


def weigh(
    plan: Plan,
    keep: Iterable[int],
    factor: float = 1.0,
    views: Mapping[int, Channels | None] | None = None,
) -> dict[int, Counts]:
    """Weighted importances of feature maps.

    Parameters
    ----------
    plan : Plan
        Of `weighted_plan`.
    keep : iterable of int
        Feature maps that are wanted.
    factor : float, optional
        By which all are multiplied.
    views : mapping of int to channels, optional
        Which channels of a map are summed over; default all.

    Returns
    -------
    dict of int to Counts
        Without the maps that no path reaches.
    """
    assert plan.classes is not None
    views = views or {}
    sizes = {i: plan.classes[i].sizes(views.get(i)) for i in keep if i in plan.windows}
    wanted = {i for i, n in sizes.items() if n.any()}
    numbers = weighted_numbers(plan)
    found = run(plan, numbers, wanted)
    scaled = {i for i in found if any(numbers.scales.values())}
    where = run(plan, Numbers(bool), scaled) if scaled else {}
    return {
        i: Counts(
            factor * summed(values[None], sizes[i])[0],
            numbers.scales[i],
            np.any(where[i][sizes[i] > 0], axis=0) if i in where else None,
        )
        for i, values in found.items()
    }
