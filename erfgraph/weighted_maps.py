"""Importance maps by weights: `uniform` and `variance`, and trained ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from erfgraph.counts import Counts
from erfgraph.featuremap import FeatureMap
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.results import channels_of, empty_map, map_of
from erfgraph.weighted import Sweep, sweep_for, weigh
from erfgraph.weighting import WEIGHTED, Weighting

__all__ = ["WEIGHTED", "trained_map", "weighted_maps"]


def weighted_maps(
    net: Network,
    top: FeatureMap,
    unit: Shape,
    rated: Sequence[FeatureMap],
    measure: str,
    w: Weighting,
) -> dict[int, ImportanceMap]:
    """Weighted importances of several maps for one unit, from one sweep; by the maps' index."""
    asked = channels_of(net, top)
    below = tuple(m.index for m in rated if m.index <= top.index)
    found: dict[int, Counts] = {}
    windows: Mapping[int, tuple[tuple[int, int], ...]] = {}
    if below:
        sweep = sweep_for(net, measure, top, unit, below, asked, w)
        found = weigh(sweep, below, {m.index: m.view for m in rated})
        windows = sweep.plan.windows
    return {
        m.index: map_of(net, top, unit, m, measure, found[m.index], windows[m.index], "mean")
        if m.index in found
        else empty_map(net, top, unit, m, measure, False, "mean")
        for m in rated
    }


def trained_map(
    net: Network, top: FeatureMap, unit: Shape, rated: FeatureMap, weights: str
) -> ImportanceMap:
    """Importances by trained weights: ``"abs"`` or ``"square"``.

    Raises
    ------
    InputError
        If there is no such name, or a layer has no weights.
    """
    from erfgraph.trained import check_power, first_numbers, trained_plan

    power, label = check_power(weights), f"{weights} weights"
    if rated.index <= top.index:
        asked = channels_of(net, top)
        plan = trained_plan(net, top.index, unit, (rated.index,), asked, power)
        first = first_numbers(net, top, asked, power)
        sweep = Sweep(plan, 1 / len(asked), seed=first)
        found = weigh(sweep, (rated.index,), {rated.index: rated.view})
        if rated.index in found:
            windows = plan.windows[rated.index]
            return map_of(net, top, unit, rated, label, found[rated.index], windows, "mean")
    return empty_map(net, top, unit, rated, label, False, "mean")
