"""The questions: `importance`, `importances`, `influence`. Each is one sweep from one unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from erfgraph.batches import count_units
from erfgraph.counts import Counts
from erfgraph.edges import Progress, count_edges
from erfgraph.errors import InputError, unknown_name
from erfgraph.explicit import Graph
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import FeatureMap, Network, unit_of
from erfgraph.params import Shape
from erfgraph.paths import count
from erfgraph.plan import plan_for
from erfgraph.results import Maps, channels_of, empty_map, map_of
from erfgraph.view import Direction
from erfgraph.weighted_maps import WEIGHTED, trained_map, weighted_maps
from erfgraph.weighting import weighting

MEASURES = ("paths", "edges", "uniform", "variance")
CHANNELS = ("collapse", "count")


def importance(
    net: Network | Graph,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    exact: bool = True,
    of: str | FeatureMap = "input",
    *,
    channels: str = "collapse",
    weights: str | None = None,
    init: str | None = None,
    batchnorm: str = "identity",
    zero_residual: bool = False,
    scalar: str = "sum",
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
    measure : {"paths", "edges", "uniform", "variance"}, optional
        ``"paths"``: the number of directed paths from the input unit to the unit,
        multiplicities multiplied. ``"edges"``: the number of distinct edges that lie on at
        least one such path. ``"uniform"``: the gradient of the unit where every layer averages
        what it reads (all weights 1/fan-in). ``"variance"``: the expected square of the
        gradient where weights are independent, of mean zero and variance 1/fan-in. The last
        two tell channels apart: they are means over the unit's channels and sums over those
        of the input unit.
    exact : bool, optional
        Exact integers of any size (default), or float64 that never overflows. ``"uniform"``
        and ``"variance"`` are float64 always.
    of : str or FeatureMap, optional
        Feature map whose units are rated; default the input.
    channels : {"collapse", "count"}, optional
        ``"collapse"`` (default): all channels of a position are one unit. ``"count"``: every
        channel of a position is a node of its own, joined as the layers join channels
        (groups, splits, shuffles); the importance of an input unit is the number of paths
        from any of its channels to any channel of the output unit, the sum over both. Where
        `layer` or `of` names some channels of a map (a split), only those; one that it holds
        twice counts twice. This is the gradient of the unit's sum over channels where all
        weights are 1. Goes with ``"paths"`` and a `Network` only.
    weights : {"abs", "square"}, optional
        For ``"paths"`` of a network that was imported with trained weights: every edge weighs
        the size, or the square, of the weight that it stands for, all channels told apart (the
        path norm, resolved by input unit); activations pass everything, edges of pools and
        copies weigh what these multiply by. The result's measure is ``"abs weights"`` or
        ``"square weights"``.
    init : str, optional
        For ``"variance"``: the initialisation, ``"lecun"``, ``"kaiming_fan_in"``,
        ``"kaiming_fan_out"``, ``"xavier"``, ``"pytorch"``, ``"std=0.02"`` (see
        `erfgraph.initial.weight_variance`), or ``"torchvision"``, which a network of the zoo
        knows as its own. Then activations pass a share of the mean square, and norms and
        scales count. Default: variance 1/fan-in, and elementwise functions pass everything.
    batchnorm : {"identity", "batch"}, optional
        For ``"variance"``: batch norms as in evaluation mode at initialisation, or dividing by
        the standard deviation over a large batch (training mode), found by a forward pass of
        moments (``erfgraph.forward``).
    zero_residual : bool, optional
        For ``"variance"``: whether the norm that ends a residual branch multiplies by zero.
    scalar : {"sum", "channel"}, optional
        For ``"variance"`` where activations count: what is differentiated, the sum of the
        unit's channels (as gradient ERFs mostly do) or one of its channels. The gradient of
        the sum has a part that all channels share (see ``erfgraph.coherence``), and is narrower.
    progress : callable, optional
        Called with (done, all) where ``"edges"`` takes long.

    Returns
    -------
    ImportanceMap

    Raises
    ------
    NameLookupError
        If a layer or measure does not exist.
    InputError
        If the unit lies outside its map, the network has no layers, or channels cannot be
        told apart (``"edges"``, a `Graph`).
    SizeError
        If the windows, or the classes of channels on them, do not fit into memory.

    Notes
    -----
    One backward sweep: with ``H`` the matrix of multiplicities of a layer, what its output
    holds is pushed to its input as ``Hᵀ g``, axis by axis, and branches add where they meet.
    Where channels are told apart, ``g`` has a number for every class of channels that hold
    the same (see ``erfgraph.channel_classes``). For ``"variance"`` layers with fixed weights
    (averages, interpolation, sums) are composed before they are squared, see
    ``erfgraph.routes``.

    Examples
    --------
    >>> import erfgraph as eg
    >>> imp = eg.importance(eg.load("conv7*3"))
    >>> imp.values.tolist()
    [1, 3, 6, 10, 15, 21, 28, 33, 36, 37, 36, 33, 28, 21, 15, 10, 6, 3, 1]
    >>> eg.importance(eg.load("conv3*5"), measure="edges").peak.value
    37

    A dense layer of 3 to 8 channels, then a depthwise one: 24 pairs of channels are joined.

    >>> net = eg.Network(9, channels=3)
    >>> x = net.conv(net.conv(net.input, 3, channels=8), 3, groups=8)
    >>> eg.importance(net).values.tolist()
    [0, 0, 1, 2, 3, 2, 1, 0, 0]
    >>> eg.importance(net, channels="count").values.tolist()
    [0, 0, 24, 48, 72, 48, 24, 0, 0]
    """
    explicit = net if isinstance(net, Graph) else None
    net = net.network if isinstance(net, Graph) else net
    top = _layer_of(net, layer)
    where = unit_of(top, unit)
    rated = net.input if of == "input" else _find(net, of)
    _check_measure(measure, channels, explicit)
    w = weighting(net, measure, init, batchnorm, zero_residual, scalar)
    if weights is not None:
        _check_trained(weights, measure, explicit)
        return trained_map(net, top, where, rated, weights)
    if measure in WEIGHTED:
        return weighted_maps(net, top, where, [rated], measure, w)[rated.index]
    if explicit is not None and rated.index <= top.index:
        return _on_graph(explicit, top, where, rated, measure, exact)
    if measure == "paths":
        return _paths(net, "backward", top, where, rated, exact, channels)
    found = None
    if rated.index <= top.index:
        found = count_edges(net, top.index, where, rated.index, progress)
    if found is None:
        return empty_map(net, top, where, rated, measure, exact)
    counts, windows = found
    counts = counts if exact else counts.rounded()
    return map_of(net, top, where, rated, measure, counts, windows)


def importances(
    net: Network,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
    measure: str = "paths",
    exact: bool = True,
    *,
    channels: str = "collapse",
    init: str | None = None,
    batchnorm: str = "identity",
    zero_residual: bool = False,
    scalar: str = "sum",
) -> Mapping[str, ImportanceMap]:
    """The importance of the units of every feature map below one unit, from a single sweep.

    Parameters
    ----------
    net, layer, unit, measure, exact, channels, init, batchnorm, zero_residual, scalar
        As for `importance`; of every feature map, all channels.

    Returns
    -------
    mapping of str to ImportanceMap
        One for every feature map with a path to the unit, in the network's order. Each is made
        when it is asked for, of numbers that are there.

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
    _check_measure(measure, channels)
    w = weighting(net, measure, init, batchnorm, zero_residual, scalar)
    if measure in WEIGHTED:
        weighed = weighted_maps(net, top, where, net.maps[: top.index + 1], measure, w)
        return {m.of: m for m in weighed.values() if m.counts.support.any() or m.of == top.name}
    if measure == "edges":
        every = [
            importance(net, top, where, measure, exact, of=m) for m in net.maps[: top.index + 1]
        ]
        return {m.of: m for m in every if m.trf.area or m.of == top.name}
    asked = channels_of(net, top) if channels == "count" else None
    plan = plan_for(net, "backward", top.index, where, asked=asked)
    counted = count(plan, plan.order, exact)
    return Maps(net, top, where, measure, counted, plan.windows, channels)


def unit_importances(
    net: Network,
    layer: str | FeatureMap | None = None,
    units: Iterable[Any] | None = None,
    measure: str = "paths",
    exact: bool = True,
    of: str | FeatureMap = "input",
    *,
    channels: str = "collapse",
) -> list[ImportanceMap]:
    """The importance of every input unit for many units of one feature map.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Feature map of the units; default the last.
    units : iterable of int or of sequences of int, optional
        Their positions; default all units of the map, in raster order.
    measure, exact, of, channels
        As for `importance`. ``"paths"`` of many units are swept side by side (see
        ``erfgraph.batches``), the other measures one by one.

    Returns
    -------
    list of ImportanceMap
        One per unit, in the order asked for, each equal to what `importance` makes of it.

    Raises
    ------
    NameLookupError, InputError, SizeError
        As `importance` does.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv3p1*2", input_shape=6)
    >>> for imp in eg.unit_importances(net):
    ...     print(imp.unit, imp.values.tolist())
    (0,) [2, 2, 1, 0, 0, 0]
    (1,) [2, 3, 2, 1, 0, 0]
    (2,) [1, 2, 3, 2, 1, 0]
    (3,) [0, 1, 2, 3, 2, 1]
    (4,) [0, 0, 1, 2, 3, 2]
    (5,) [0, 0, 0, 1, 2, 2]
    """
    top = _layer_of(net, layer)
    _check_measure(measure, channels)
    if units is None:
        where: tuple[Shape, ...] = tuple(np.ndindex(*top.shape))
    elif isinstance(units, Iterable):
        where = tuple(unit_of(top, unit) for unit in units)
    else:
        raise InputError(f"units: got {units!r}, wanted positions, one for each unit")
    rated = net.input if of == "input" else _find(net, of)
    if measure != "paths":
        return [importance(net, top, unit, measure, exact, rated) for unit in where]
    found: Sequence[tuple[Counts, Any] | None] = [None] * len(where)
    if where and rated.index <= top.index:
        asked = channels_of(net, top) if channels == "count" else None
        found = count_units(net, top.index, where, rated.index, exact, asked, rated.view)
    return [
        empty_map(net, top, unit, rated, measure, exact, channels)
        if one is None
        else map_of(net, top, unit, rated, measure, *one, channels)
        for unit, one in zip(where, found, strict=True)
    ]


def influence(
    net: Network,
    unit: Any = None,
    layer: str | FeatureMap | None = None,
    exact: bool = True,
    of: str | FeatureMap = "input",
    *,
    channels: str = "collapse",
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
    channels : {"collapse", "count"}, optional
        As for `importance`: ``"count"`` counts the paths from any channel of the unit to any
        channel of each rated unit.

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
    _check_measure("paths", channels)
    return _paths(net, "forward", source, where, rated, exact, channels)


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
    return map_of(g.network, top, unit, rated, measure, counts, whole)


def _paths(
    net: Network,
    direction: Direction,
    start: FeatureMap,
    unit: Shape,
    rated: FeatureMap,
    exact: bool,
    channels: str,
) -> ImportanceMap:
    """Paths from the units of one map to a unit of another (backward), or the other way."""
    low, high = (rated, start) if direction == "backward" else (start, rated)
    counted: dict[int, Counts] = {}
    if low.index <= high.index:
        asked = channels_of(net, start) if channels == "count" else None
        plan = plan_for(net, direction, start.index, unit, rated.index, asked)
        counted = count(plan, [rated.index], exact, {rated.index: rated.view})
    if rated.index not in counted:
        return empty_map(net, start, unit, rated, "paths", exact, channels)
    counts, windows = counted[rated.index], plan.windows[rated.index]
    return map_of(net, start, unit, rated, "paths", counts, windows, channels)


def _check_trained(weights: str, measure: str, explicit: Graph | None) -> None:
    if measure != "paths" or explicit is not None:
        got = "an explicit Graph" if explicit is not None else f"measure {measure!r}"
        raise InputError(f"weights: {weights!r} goes with measure 'paths' of a Network, got {got}")


def _check_measure(measure: str, channels: str, explicit: Graph | None = None) -> None:
    for kind, name, known in (("measure", measure, MEASURES), ("channels", channels, CHANNELS)):
        if name not in known:
            raise unknown_name(kind, str(name), known)
    if measure in WEIGHTED and explicit is not None:
        raise InputError(
            f"measure: {measure!r} wants a Network, got an explicit Graph, whose edges have no "
            "weights"
        )
    if channels == "count" and measure != "paths":
        raise InputError(f"channels: 'count' goes with measure 'paths', got measure {measure!r}")
    if channels == "count" and explicit is not None:
        raise InputError(
            "channels: 'count' wants a Network, got an explicit Graph, whose nodes are units of "
            "all channels"
        )


def _find(net: Network, layer: str | FeatureMap) -> FeatureMap:
    return net._resolve(layer, "layer")


def _layer_of(net: Network, layer: str | FeatureMap | None) -> FeatureMap:
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if not net.layers:
        raise InputError("the network has no layers, so no unit to ask about")
    if isinstance(layer, str):
        return net.returned(layer)
    return net.output if layer is None else _find(net, layer)
