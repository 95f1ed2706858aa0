"""The measures that look at weights: `uniform` and `variance`, in float64.

The sweep is that of the path counts (`erfgraph.plan`); what is pushed is multiplied by weights,
or by their mean squares. Numbers are kept scaled by a power of two where they might leave the
range of float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from erfgraph.channels import Channels
from erfgraph.coherence import Windows, common_squares
from erfgraph.counts import FLOAT_BITS, FLOAT_STEP, Counts
from erfgraph.drawn import DRAWN
from erfgraph.featuremap import FeatureMap
from erfgraph.network import Network
from erfgraph.number_types import BOOL
from erfgraph.params import Shape
from erfgraph.paths import ScaledNumbers, summed
from erfgraph.plan import Plan, compile_plan
from erfgraph.running import run
from erfgraph.view import MOST_PLANS, remembered
from erfgraph.weighted_view import Weighed, uniform_view, variance_view, weighed
from erfgraph.weighting import Weighting


@lru_cache(maxsize=MOST_PLANS)
def weighted_numbers(plan: Plan) -> ScaledNumbers:
    """Scales that keep every map's numbers well inside the range of float64."""
    scales = {index: _scale(plan.bounds[index]) for index in plan.order}
    return ScaledNumbers(np.float64, scales)


def _scale(log2: float) -> int:
    if not abs(log2) > FLOAT_BITS // 2 or not np.isfinite(log2):
        return 0
    return round(log2 / FLOAT_STEP) * FLOAT_STEP


@dataclass(frozen=True, eq=False)
class Sweep:
    """A compiled sweep, and what it adds on its way.

    Attributes
    ----------
    plan : Plan
    factor : float
        By which its results are multiplied.
    more : dict of int to array
        Mean squares of the common part of all channels' gradients.
    seed : array, optional
        What the unit's classes of channels start with; default the plan's seeds.
    """

    plan: Plan
    factor: float
    more: Mapping[int, np.ndarray] = field(default_factory=dict)
    seed: np.ndarray | None = None


def sweep_for(
    net: Network,
    measure: str,
    top: FeatureMap,
    unit: Shape,
    stops: tuple[int, ...],
    asked: Channels,
    w: Weighting,
) -> Sweep:
    """The compiled sweep of a measure, kept with the network for the next call."""

    def make() -> Sweep:
        window = tuple((u, u + 1) for u in unit)
        if measure == "uniform":
            seen = uniform_view(net, top.index, asked, stops)
            return Sweep(compile_plan(seen, top.index, window), 1 / len(asked))
        key = ("weighed", top.index, top.passed, stops, w)  # the same for other units
        part = remembered(net.plans, key, lambda: weighed(net, top, stops, w))
        seen = variance_view(net, top.index, asked, stops, part)
        plan = compile_plan(seen, top.index, window)
        if part.forward is None:
            return Sweep(plan, 1 / len(asked))
        first = 1.0
        if top.passed:
            _, gain = part.forward.handle(top.index, top.passed)
            first = float(gain.square.mean())
        more: dict[int, np.ndarray] = {}
        whole = w.scalar == "sum" and len(asked) == top.channels
        if whole and first > 0 and (top.passed or _bends(net, part)):
            common = common_squares(net, top, unit, part.edges, part.forward)
            more = _placed(plan, common, len(net.maps), first)
        return Sweep(plan, first / len(asked), more)

    return remembered(net.plans, (measure, top.index, top.passed, unit, stops, asked, w), make)


def _bends(net: Network, part: Weighed) -> bool:
    """Whether anything is no linear function; else channels have nothing in common."""
    return any(
        bool(e.link.passed) or not (e.fixed or net.maps[i].op in DRAWN)
        for i, edges in part.edges.items()
        for e in edges
    )


def _placed(
    plan: Plan, common: Mapping[int, tuple[Windows, np.ndarray]], n: int, first: float
) -> dict[int, np.ndarray]:
    """What is added to maps, on the plan's windows and in its scale."""
    scales = weighted_numbers(plan).scales
    placed: dict[int, np.ndarray] = {}
    for i, (windows, values) in common.items():
        node = n + i if n + i in plan.windows else i
        if node not in plan.windows or i == plan.start or not (values > 0).any():
            continue
        whole = np.zeros(plan.extents[node])
        seen = plan.windows[node]
        both = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(windows, seen, strict=True)]
        to = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(both, seen, strict=True))
        take = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(both, windows, strict=True))
        whole[to] = values[take]
        placed[node] = np.ldexp(whole / first, -scales[node])
    return placed


def weigh(
    sweep: Sweep,
    keep: Iterable[int],
    views: Mapping[int, Channels | None] | None = None,
) -> dict[int, Counts]:
    """Weighted importances of feature maps.

    Parameters
    ----------
    sweep : Sweep
    keep : iterable of int
        Feature maps that are wanted.
    views : mapping of int to channels, optional
        Which channels of a map are summed over; default all.

    Returns
    -------
    dict of int to Counts
        Without the maps that no path reaches.
    """
    plan = sweep.plan
    assert plan.classes is not None
    views = views or {}
    sizes = {i: plan.classes[i].sizes(views.get(i)) for i in keep if i in plan.windows}
    wanted = {i for i, n in sizes.items() if n.any()}
    numbers = weighted_numbers(plan)
    found = run(plan, numbers, wanted, sweep.seed, sweep.more)
    scaled = {i for i in found if any(numbers.scales.values())}
    where = run(plan, BOOL, scaled) if scaled else {}
    return {
        i: Counts(
            sweep.factor * summed(values[None], sizes[i])[0],
            numbers.scales[i],
            np.any(where[i][sizes[i] > 0], axis=0) if i in where else None,
        )
        for i, values in found.items()
    }
