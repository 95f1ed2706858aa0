"""The questions: `importance`, `importances`, `influence`. Each is one sweep from one unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from erfgraph.counts import Counts
from erfgraph.edges import Progress, count_edges
from erfgraph.errors import InputError, unknown_name
from erfgraph.explicit import Graph
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import FeatureMap, Network, unit_of
from erfgraph.params import Shape
from erfgraph.paths import count
from erfgraph.plan import Direction, plan_for

MEASURES = ("paths", "edges")


def importance(
    net: Network | Graph,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    exact: bool = True,
    of: str | FeatureMap = "input",
    *,
    progress: Progress | None = None,
) -> ImportanceMap:
    """The importance of every input unit for one unit of a feature map.

    Parameters
    ----------
    net : Network or Graph
        For a `Graph`, counting runs on its sparse matrices, for a `Network` matrix-free; the
        results are equal.
    layer : str or FeatureMap, optional
        Feature map of the unit; default the last.
    unit : int or sequence of int, optional
        Its position; default the centre, ``size // 2`` on every axis. Negative positions
        count from the end.
    measure : {"paths", "edges"}, optional
        ``"paths"``: the number of directed paths from the input unit to the unit,
        multiplicities multiplied. ``"edges"``: the number of distinct edges that lie on at
        least one such path.
    exact : bool, optional
        Exact integers of any size (default), or float64 that never overflows.
    of : str or FeatureMap, optional
        Feature map whose units are rated; default the input.
    progress : callable, optional
        Called with (done, all) where `"edges"` takes long.

    Returns
    -------
    ImportanceMap

    Raises
    ------
    NameLookupError
        If a layer or measure does not exist.
    InputError
        If the unit lies outside its map, or the network has no layers.
    SizeError
        If the windows do not fit into memory.

    Notes
    -----
    One backward sweep: with ``H`` the matrix of multiplicities of a layer, what its output
    holds is pushed to its input as ``Hᵀ g``, axis by axis, and branches add where they meet.

    Examples
    --------
    >>> import erfgraph as eg
    >>> imp = eg.importance(eg.load("conv7*3"))
    >>> imp.values.tolist()
    [1, 3, 6, 10, 15, 21, 28, 33, 36, 37, 36, 33, 28, 21, 15, 10, 6, 3, 1]
    >>> eg.importance(eg.load("conv3*5"), measure="edges").peak.value
    37
    """
    explicit = net if isinstance(net, Graph) else None
    net = net.network if isinstance(net, Graph) else net
    top = _layer_of(net, layer)
    where = unit_of(top, unit)
    rated = net.input if of == "input" else _find(net, of)
    _check_measure(measure)
    if rated.index > top.index:
        return _empty(net, top, where, rated, measure, exact)
    if explicit is not None:
        return _on_graph(explicit, top, where, rated, measure, exact)
    if measure == "edges":
        found = count_edges(net, top.index, where, rated.index, progress)
        if found is None:
            return _empty(net, top, where, rated, measure, exact)
        counts, windows = found
        counts = counts if exact else counts.rounded()
        return _map(net, top, where, rated, measure, counts, windows)
    plan = plan_for(net, "backward", top.index, where, rated.index)
    counted = count(plan, [rated.index], exact) if rated.index in plan.windows else {}
    if rated.index not in counted:
        return _empty(net, top, where, rated, measure, exact)
    return _map(net, top, where, rated, measure, counted[rated.index], plan.windows[rated.index])


def importances(
    net: Network,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    exact: bool = True,
) -> Mapping[str, ImportanceMap]:
    """The importance of the units of every feature map below one unit, from a single sweep.

    Parameters
    ----------
    net, layer, unit, measure, exact
        As for `importance`.

    Returns
    -------
    dict of str to ImportanceMap
        One for every feature map with a path to the unit, in the network's order.

    Raises
    ------
    NameLookupError, InputError, SizeError
        As `importance` does.

    Examples
    --------
    >>> import erfgraph as eg
    >>> maps = eg.importances(eg.load("conv3*3"))
    >>> {name: m.peak.value for name, m in maps.items()}
    {'input': 7, 'conv1': 3, 'conv2': 1, 'conv3': 1}
    """
    top = _layer_of(net, layer)
    where = unit_of(top, unit)
    _check_measure(measure)
    if measure == "edges":
        every = [
            importance(net, top, where, measure, exact, of=m) for m in net.maps[: top.index + 1]
        ]
        return {m.of: m for m in every if m.trf.area or m.of == top.name}
    return _swept(net, "backward", top, where, measure, exact)


def influence(
    net: Network,
    unit: Any = None,
    layer: str | FeatureMap | None = None,
    exact: bool = True,
    of: str | FeatureMap = "input",
) -> ImportanceMap:
    """Where one input unit's influence goes: its paths to every unit of a feature map.

    Parameters
    ----------
    net : Network
    unit : int or sequence of int, optional
        Position of the unit; default the centre of its map.
    layer : str or FeatureMap, optional
        Feature map whose units are rated; default the last.
    exact : bool, optional
        Exact integers, or float64.
    of : str or FeatureMap, optional
        Feature map of the unit; default the input.

    Returns
    -------
    ImportanceMap
        Its `layer` and `unit` name the unit whose influence it is, its `of` the map rated.

    Raises
    ------
    NameLookupError, InputError, SizeError
        As `importance` does.

    Examples
    --------
    >>> import erfgraph as eg
    >>> eg.influence(eg.load("conv3p1*2", input_shape=9)).values.tolist()
    [0, 0, 1, 2, 3, 2, 1, 0, 0]
    """
    rated = _layer_of(net, layer)
    source = net.input if of == "input" else _find(net, of)
    where = unit_of(source, unit)
    if rated.index < source.index:
        return _empty(net, source, where, rated, "paths", exact)
    plan = plan_for(net, "forward", source.index, where, rated.index)
    counted = count(plan, [rated.index], exact) if rated.index in plan.windows else {}
    if rated.index not in counted:
        return _empty(net, source, where, rated, "paths", exact)
    return _map(
        net, source, where, rated, "paths", counted[rated.index], plan.windows[rated.index]
    )


def _on_graph(
    g: Graph, top: FeatureMap, unit: Shape, rated: FeatureMap, measure: str, exact: bool
) -> ImportanceMap:
    from erfgraph import graphcount

    g.node(top)  # refuses maps that the graph does not have
    if measure == "edges":
        counts = graphcount.count_edges(g, top.index, unit, rated.index)
    else:
        counts = graphcount.count_paths(g, top.index, unit, rated.index)
    counts = counts if exact else counts.rounded()
    whole = tuple((0, n) for n in rated.shape)
    return _map(g.network, top, unit, rated, measure, counts, whole)


def _swept(
    net: Network, direction: Direction, top: FeatureMap, unit: Shape, measure: str, exact: bool
) -> dict[str, ImportanceMap]:
    plan = plan_for(net, direction, top.index, unit)
    counted = count(plan, plan.order, exact)
    return {
        net.maps[i].name: _map(net, top, unit, net.maps[i], measure, counted[i], plan.windows[i])
        for i in sorted(counted)
    }


def _map(
    net: Network,
    top: FeatureMap,
    unit: Shape,
    rated: FeatureMap,
    measure: str,
    counts: Counts,
    windows: tuple[tuple[int, int], ...],
) -> ImportanceMap:
    offset = tuple(start for start, _ in windows)
    return ImportanceMap(
        layer=top.name,
        unit=unit,
        of=rated.name,
        measure=measure,
        shape=rated.shape,
        input_shape=net.input.shape,
        network=net.name,
        offset=offset,
        counts=counts,
    )


def _empty(
    net: Network, top: FeatureMap, unit: Shape, rated: FeatureMap, measure: str, exact: bool
) -> ImportanceMap:
    """The map of a unit to which no path leads."""
    kind = np.int64 if exact else np.float64
    nothing = Counts(np.zeros((1,) * len(rated.shape), dtype=kind))
    return _map(net, top, unit, rated, measure, nothing, ((0, 1),) * len(rated.shape))


def _check_measure(measure: str) -> None:
    if measure not in MEASURES:
        raise unknown_name("measure", str(measure), MEASURES)


def _find(net: Network, layer: str | FeatureMap) -> FeatureMap:
    return net._resolve(layer, "layer")


def _layer_of(net: Network, layer: str | FeatureMap | None) -> FeatureMap:
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if not net.layers:
        raise InputError("the network has no layers, so no unit to ask about")
    return net.output if layer is None else _find(net, layer)
