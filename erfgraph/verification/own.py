"""Claims that are asked of the user's own networks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from erfgraph import arithmetic, explicit, sweeps
from erfgraph.errors import SizeError
from erfgraph.featuremap import FeatureMap, Link
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import Network
from erfgraph.params import Shape
from erfgraph.patterns import Hull, Pattern, patterns
from erfgraph.tasks import classification
from erfgraph.verification import counting, drawing, outcomes
from erfgraph.verification.chains import COMPUTED
from erfgraph.verification.fields import DISTILL
from erfgraph.verification.nouns import AUTOGRAD, Claim, LeftOutError, Outcome, Request

MOST_EDGES = 5_000_000  # of an explicit graph that is built
MOST_PATHS = 20_000  # that are walked one by one
MOST_UNITS = 20_000  # of a graph of Python objects
UNITS = 3  # drawn beside the centre and the corners
EXACT = 2**53  # counts below are exact in float64
MOST_DIGITS = 300  # of a count in float64
DRAWS, UNTIL = 512, 0.03  # at most so many draws, fewer once the noise is so low


def _net(request: Request) -> Network:
    assert request.net is not None
    return request.net


def _units(net: Network, seed: int) -> list[Shape]:
    """Centre, first, last, and some drawn units of the last map."""
    shape = net.output.shape
    rng = np.random.default_rng([seed, 1])
    drawn = [tuple(int(rng.integers(n)) for n in shape) for _ in range(UNITS)]
    ends = [tuple(n // 2 for n in shape), (0,) * len(shape), tuple(n - 1 for n in shape)]
    return list(dict.fromkeys([*ends, *drawn]))


def _need_graph(net: Network) -> None:
    size = explicit.graph_size(net)
    if size.n_edges > MOST_EDGES:
        raise LeftOutError(
            f"the explicit graph would have {size.n_edges} edges, at most {MOST_EDGES}"
        )


# --- counts ---------------------------------------------------------------------------------


def graph(request: Request) -> Outcome:
    """The sweep and the explicit graph count the same, exactly."""
    net = _net(request)
    _need_graph(net)
    built = explicit.graph(net)
    cases = (
        (
            f"unit {unit}",
            sweeps.importance(built, unit=unit).values,
            sweeps.importance(net, unit=unit).values,
        )
        for unit in _units(net, request.seed)
    )
    return outcomes.all_equal(cases, f"{net.output.name}")


def enumeration(request: Request) -> Outcome:
    """Walking every path finds the same."""
    net = _net(request)
    total = sweeps.importance(net).total
    units = explicit.graph_size(net).n_units
    if total > MOST_PATHS or units > MOST_UNITS:
        raise LeftOutError(
            f"{net.output.name} has {total:.4g} paths and the graph {units} units, at most "
            f"{MOST_PATHS} and {MOST_UNITS} are walked"
        )
    found = counting.by_enumeration(net)
    return outcomes.all_equal(
        [("centre unit", found, sweeps.importance(net).values)], f"{total} paths"
    )


def reciprocity(request: Request) -> Outcome:
    """Forward from an input unit and backward from the unit is the same number."""
    net = _net(request)
    imp = sweeps.importance(net)
    reached = np.argwhere(imp.trf.mask)
    rng = np.random.default_rng([request.seed, 2])
    drawn = rng.permutation(len(reached))[: 2 * UNITS]
    if not len(drawn):
        raise LeftOutError("no path leads to the centre unit")
    cases = []
    for at in (tuple(map(int, reached[i])) for i in drawn):
        forward = sweeps.influence(net, unit=at, layer=net.output)
        cases.append((f"input {at}", int(imp.values[at]), int(forward.values[imp.unit])))
    return outcomes.all_equal(cases, f"paths to unit {imp.unit} of {imp.layer}")


# --- gradients ------------------------------------------------------------------------------


def gradient(request: Request) -> Outcome:
    """With all weights 1 the gradient is the path count; == while float64 holds it."""
    net = _net(request)
    if len(net.maps) == 1:
        raise LeftOutError("the network has one feature map, its input")
    last = sweeps.importance(net, channels="count")
    if math.log10(max(last.total, 1)) > MOST_DIGITS:
        raise LeftOutError(f"more than 1e{MOST_DIGITS} paths, too many for float64")
    exact = next(m for m in reversed(net.maps) if _total(net, m) < EXACT)
    counted = sweeps.importance(net, exact, channels="count").values
    same = bool(np.array_equal(counted, drawing.unit_weights(net, stop=exact)))
    expected, found = "equal", "equal" if same else "not equal"
    if exact.name == last.layer:
        return Outcome(expected, found, same, f"== in float64, {last.total} paths of channels")
    values = drawing.unit_weights(net)
    wanted = last.values.astype(float)
    error = float(np.abs(values - wanted).max() / max(wanted.max(), 1))
    near = error <= outcomes.ROUNDING
    return Outcome(
        f"{expected}, then to {outcomes.ROUNDING:.0e}",
        f"{found}, then to {error:.1e}",
        same and near,
        f"{exact.name} is the last map with fewer than 2**53 paths of channels, where it must be "
        f"==; {last.layer} has {last.total:.3g}, relative to the largest",
    )


def _total(net: Network, m: FeatureMap) -> float:
    return sweeps.importance(net, m, channels="count").total


def mean_square(request: Request) -> Outcome:
    """`variance` is the mean-square gradient of a channel, within the noise of the draws."""
    net = _net(request)
    init = net.init or "kaiming_fan_in"
    variance = sweeps.importance(net, measure="variance", init=init, scalar="channel")
    sampled = drawing.drawn(net, DRAWS, request.seed, init, scalar="channel", until=UNTIL)
    return drawing.within_noise(variance.share, sampled, f"{net.output.name}, {init}")


# --- arithmetic -----------------------------------------------------------------------------


def fields(request: Request) -> Outcome:
    """The recurrence's field is the graph's, and holds it where borders cut."""
    net = _net(request)
    try:
        rows = arithmetic.receptive_fields(net)
    except SizeError as error:
        raise LeftOutError(str(error)) from None
    wrong, equal, held = [], 0, 0
    for rf, m in zip(rows, net.maps, strict=True):
        unit = tuple(n // 2 for n in m.shape)
        box = sweeps.importance(net, m, unit).trf.bbox
        if box is None:
            continue
        hulls = rf.field(unit)
        inside = all(
            h is not None and h[0] <= a and b <= h[1] + 1
            for h, (a, b) in zip(hulls, box, strict=True)
        )
        same = tuple(None if h is None else (h[0], h[1] + 1) for h in hulls) == box
        if sees_only_units(net, m, unit):
            equal += 1
            wrong += [] if same else [m.name]
        else:
            held += 1
            wrong += [] if inside else [m.name]
    n = equal + held
    detail = f"centre units; {equal} maps see no border and must agree, {held} must be held"
    if wrong:
        detail += f"; not {', '.join(wrong[:4])}{', …' if len(wrong) > 4 else ''}"
    return Outcome(
        f"{n} of {n} maps", f"{n - len(wrong)} of {n} maps", not wrong and n > 0, detail
    )


def sees_only_units(net: Network, m: FeatureMap, unit: Shape) -> bool:
    """Whether nothing that a unit's field holds, by the layers' patterns, lies outside its map.

    Where a mask of taps is no product of the axes', the field of each axis is larger than what
    the unit sees; such maps count as if they saw a border.
    """
    seen: dict[int, list[Hull]] = {m.index: [(u, u) for u in unit]}
    for index in range(m.index, 0, -1):
        made = net.maps[index]
        if index not in seen:
            continue
        if made.params.get("mask") is not None:
            return False
        for i, link in enumerate(made.links):
            hulls = _read(net, made, link, i, seen[index])
            source = net.maps[link.src]
            if hulls is None:
                continue
            if any(a < 0 or b >= n for (a, b), n in zip(hulls, source.shape, strict=True)):
                return False
            known = seen.get(link.src, hulls)
            seen[link.src] = [
                (min(a, c), max(b, d)) for (a, b), (c, d) in zip(hulls, known, strict=True)
            ]
    return True


def _read(net: Network, made: FeatureMap, link: Link, i: int, seen: list[Hull]) -> Any:
    """What a layer reads of one input for a box of its units; None for nothing."""
    source = net.maps[link.src]
    reads = patterns(made.op, made.params, source.shape, made.shape, i)
    hulls = []
    for pattern, (first, last) in zip(reads, seen, strict=True):
        ends = [e for u in range(first, last + 1) for e in _ends(pattern, u)]
        if not ends:
            return None
        hulls.append((min(ends), max(ends)))
    return hulls


def _ends(pattern: Pattern, unit: int) -> Iterator[int]:
    j, phase = divmod(unit, len(pattern.phases))
    read = pattern.phases[phase]
    if read is not None:
        yield from (e + pattern.advance * j for e in read)


# --- invariants -----------------------------------------------------------------------------


def invariants(request: Request) -> Outcome:
    """What holds for every map of every network."""
    net = _net(request)
    maps = {
        name: sweeps.importance(net, measure=name) for name in ("paths", "uniform", "variance")
    }
    if not maps["paths"].trf.area:
        raise LeftOutError("no path leads to the centre unit")
    held = {
        f"{name}: {what}": good for name, imp in maps.items() for what, good in _held(imp).items()
    }
    trf = maps["paths"].trf.mask
    for name in ("uniform", "variance"):
        held[f"{name}: nothing where no path leads"] = not np.any(maps[name].values[~trf])
    held["variance: never negative"] = bool((maps["variance"].values >= 0).all())
    broken = [what for what, good in held.items() if not good]
    return Outcome(
        f"{len(held)} of {len(held)}",
        f"{len(held) - len(broken)} of {len(held)}",
        not broken,
        "shares, supports, fields and thresholds of the centre unit's maps"
        + (f"; not {'; '.join(broken)}" if broken else ""),
    )


def _held(imp: ImportanceMap) -> dict[str, bool]:
    half, most = (imp.erf(t, "peak").mask for t in (0.5, 0.0455))
    mass = imp.erf(0.9, "mass")
    square = imp.erf(0.9, "square")
    needed = 0.9 * (1 - 1e-9)
    return {
        "finite": bool(np.isfinite(imp.share).all()),
        "shares sum to 1": math.isclose(float(imp.share.sum()), 1, rel_tol=1e-9),
        "a lower threshold holds a higher one's field": not np.any(half & ~most),
        "the peak passes every threshold": bool(half[imp.peak.position]),
        "90 % of the mass is held": float(imp.share[mass.mask].sum()) >= needed,
        "so does the square": square.area > 0 and float(imp.share[square.mask].sum()) >= needed,
    }


def coverage(request: Request) -> Outcome:
    """The effective field lies in the theoretical one, and that in its box, layer by layer."""
    net = _net(request)
    found = classification.coverage(net)
    wrong = [
        row.name for row in found.rows if not 0 <= row.effective <= row.theoretical <= row.box <= 1
    ]
    n = len(found.rows)
    detail = "ERF <= TRF <= its box <= 1, shares of the input, feature map by feature map"
    if wrong:
        detail += f"; not {', '.join(wrong[:4])}"
    return Outcome(f"{n} of {n} maps", f"{n - len(wrong)} of {n} maps", not wrong, detail)


CLAIMS = (
    Claim(
        "own/graph",
        "The sweep counts what the explicit graph counts.",
        COMPUTED,
        ("explicit graph",),
        graph,
    ),
    Claim(
        "own/enumeration",
        "Every path walked one by one, they are as many.",
        COMPUTED,
        ("enumeration",),
        enumeration,
    ),
    Claim(
        "own/reciprocity",
        "Paths counted forward from an input unit are those counted backward to it.",
        COMPUTED,
        ("sweep",),
        reciprocity,
    ),
    Claim(
        "own/gradient",
        "With all weights 1 the gradient is the path count.",
        COMPUTED,
        (AUTOGRAD,),
        gradient,
    ),
    Claim(
        "own/mean-square",
        "`variance` of one channel is its mean-square gradient, within the draws' noise.",
        COMPUTED,
        (AUTOGRAD,),
        mean_square,
    ),
    Claim(
        "own/fields",
        "The field of the recurrence is that of the graph.",
        DISTILL,
        ("closed form",),
        fields,
    ),
    Claim(
        "own/invariants",
        "Shares sum to 1, thresholds nest, weights reach what paths reach.",
        COMPUTED,
        ("sweep",),
        invariants,
    ),
    Claim(
        "own/coverage",
        "Each layer's effective field lies in its theoretical one.",
        COMPUTED,
        ("sweep",),
        coverage,
    ),
)
