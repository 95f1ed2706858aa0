"""`compare`: the numbers of how two importance maps agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from erfgraph.agreement.bootstrap import Drawn, Groups, Progress, groups_of, limits, redraw
from erfgraph.agreement.cost import Cost
from erfgraph.agreement.numbers import NUMBERS
from erfgraph.agreement.pair import Pair, check_map, make_grid, make_pair, support
from erfgraph.agreement.result import Comparison, Curve, Estimate, Noise
from erfgraph.erf import RULES
from erfgraph.errors import InputError, unknown_name
from erfgraph.importance_map import ImportanceMap

LOWEST, PER_DECADE = 1e-3, 20  # of the default thresholds
INTERVALS = ("reflected", "percentile")
MOST_DRAWS = 1_000_000


def compare(
    a: ImportanceMap,
    b: ImportanceMap,
    *,
    thresholds: Sequence[float] | None = None,
    bootstrap: int = 1000,
    confidence: float = 0.95,
    interval: str = "reflected",
    seed: int = 0,
    costs: tuple[Cost | None, Cost | None] = (None, None),
    progress: Progress | None = None,
) -> Comparison:
    """Compare two importance maps of one grid: distances, correlations, ERFs.

    Any measures, statistics and number types: everything is computed on the shares
    (importance over the total), over the units that at least one of the maps reaches. Where a
    map carries samples (`gradient_importance`), every number gets a confidence interval, and
    the distance that noise alone would make stands beside it.

    Parameters
    ----------
    a, b : ImportanceMap
        Of one shape. Where they are unlike, b is the reference.
    thresholds : sequence of float, optional
        Shares of the largest importance at which the ERFs are compared, between 0 and 1; the
        default of rule ``"peak"``, 0.0455, is added. Default 20 a decade from 0.001 to 1.
    bootstrap : int, optional
        How often the groups of samples are drawn again; 0 for no intervals.
    confidence : float, optional
        Of the intervals, between 0 and 1.
    interval : {"reflected", "percentile"}, optional
        How an interval is made of the draws; see Notes.
    seed : int, optional
        Of the draws.
    costs : pair of Cost or None, optional
        What each map took, to be kept with the result.
    progress : callable, optional
        Called with (done, all) draws.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the maps have different shapes, one has no mass, negative or undefined values, or an
        option is out of range.

    Notes
    -----
    With shares p, q: total variation ``sum |p - q| / 2``, relative L2 ``||p - q|| / ||q||``,
    KL divergence ``sum p ln(p / q)``. An ERF's equivalent side is ``area ** (1 / axes)``.

    The bootstrap draws the groups of a map's samples with replacement. The groups of two maps
    are drawn independently. Noise makes every distance larger, never smaller, and a draw holds
    it twice, so that the percentiles of the draws lie above the distance and do not cover the
    true one. ``"reflected"`` therefore takes ``2 x - percentile``, for x the square of a
    distance, or a correlation, a divergence or the difference of sides as it is; differences
    of standard deviations, which noise moves to both sides, keep their percentiles. So the
    value itself may lie outside its interval: that says that most of it is noise.
    ``"percentile"`` takes the percentiles of everything. An ERF's threshold is a share of the
    largest value, which noise raises: of few samples sides and IoUs are biased in a way that
    neither repairs wholly.

    Examples
    --------
    Three convolutions of seven taps against nine of three: the same field, other weights.

    >>> import erfgraph as eg
    >>> found = eg.compare(eg.importance(eg.load("conv7*3")), eg.importance(eg.load("conv3*9")))
    >>> round(found.total_variation.value, 3), round(found.iou.value, 3)
    (0.179, 0.765)
    >>> round(found.std_difference[0].value, 3)
    1.015
    >>> found.total_variation.low is None  # path counts carry no samples
    True
    >>> eg.compare(eg.importance(eg.load("conv7*3")), eg.importance(eg.load("conv3*3")))
    Traceback (most recent call last):
    ...
    erfgraph.errors.InputError: a, b: got maps of shape (19,) and (7,), wanted two of one shape
    """
    check_map("a", a)
    check_map("b", b, a.shape)
    _check_options(bootstrap, confidence, interval)
    levels, default = check_thresholds(thresholds)
    grid = make_grid(a, b, levels, default)
    pair = make_pair(grid, a, b)
    groups = (groups_of("a", a), groups_of("b", b))
    drawn = None
    if bootstrap and any(g is not None for g in groups):
        drawn = redraw(grid, pair, groups, bootstrap, seed, progress)
    numbers = _estimates(pair, drawn, confidence, interval)
    areas = [float(x[0, default]) ** (1 / grid.n_axes) for x in pair.areas[:2]]
    return Comparison(
        a=a,
        b=b,
        **numbers,
        outside_a=float(a.share[~support(b)].sum()),
        outside_b=float(b.share[~support(a)].sum()),
        side_a=areas[0],
        side_b=areas[1],
        noise=None if drawn is None else Noise(drawn.noise_a, drawn.noise_b, drawn.noise),
        groups=(_length(groups[0]), _length(groups[1])),
        draws=0 if drawn is None else bootstrap,
        confidence=confidence,
        interval=interval,
        costs=costs,
    )


def check_thresholds(given: Sequence[float] | None) -> tuple[np.ndarray, int]:
    """Ascending thresholds with the default one among them, and which it is.

    Raises
    ------
    InputError
        If they are no numbers above 0 and at most 1.
    """
    default = RULES["peak"].default
    if given is None:
        decades = -np.log10(LOWEST)
        values = np.logspace(-decades, 0, round(decades * PER_DECADE) + 1)
    else:
        try:
            values = np.asarray(given, dtype=float).ravel()
        except (TypeError, ValueError):
            values = np.array([np.nan])
        if not len(values) or not ((values > 0) & (values <= 1)).all():
            raise InputError(f"thresholds: got {given!r}, wanted shares above 0 and at most 1")
        if set(values.tolist()) == {default}:
            raise InputError(f"thresholds: got {given!r}, wanted another one beside {default}")
    values = np.unique(np.append(values, default))
    return values, int(np.flatnonzero(values == default)[0])


def _check_options(bootstrap: Any, confidence: Any, interval: str) -> None:
    whole = isinstance(bootstrap, int | np.integer) and not isinstance(bootstrap, bool)
    if not whole or not 0 <= bootstrap <= MOST_DRAWS:
        raise InputError(
            f"bootstrap: got {bootstrap!r}, wanted a number of draws from 0 to {MOST_DRAWS}"
        )
    if not isinstance(confidence, int | float) or not 0 < confidence < 1:
        raise InputError(f"confidence: got {confidence!r}, wanted a number between 0 and 1")
    if interval not in INTERVALS:
        raise unknown_name("interval", str(interval), INTERVALS)


def _estimates(pair: Pair, drawn: Drawn | None, confidence: float, how: str) -> dict[str, Any]:
    """Fields of a `Comparison`, by the names of the table of numbers."""
    found: dict[str, Any] = {}
    for name, row in NUMBERS.items():
        value = row.of(pair)[0]
        ends = None
        if drawn is not None:
            ends = limits(row, value, drawn.numbers[name], confidence, how)
        if name == "curve":
            found[name] = Curve(pair.grid.thresholds, value, *(ends or (None, None)))
        elif np.ndim(value):
            found[name] = tuple(
                _estimate(v, ends and (ends[0][axis], ends[1][axis]))
                for axis, v in enumerate(value)
            )
        else:
            found[name] = _estimate(value, ends)
    return found


def _estimate(value: Any, ends: tuple[Any, Any] | None) -> Estimate:
    if ends is None or not np.isfinite(ends).all():
        return Estimate(float(value))
    return Estimate(float(value), float(ends[0]), float(ends[1]))


def _length(groups: Groups | None) -> int:
    return 0 if groups is None else len(groups)
