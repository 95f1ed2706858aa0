"""`high_contribution`: the area that holds most of an importance, as large-kernel papers give it.

Each scale says what a unit's importance counts as before shares are taken: one function, one
table row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from erfgraph.counts import Counts
from erfgraph.erf import check_threshold
from erfgraph.errors import InputError, ThresholdError, unknown_name
from erfgraph.importance_map import ImportanceMap
from erfgraph.params import is_int

SHARES = (0.2, 0.3, 0.5, 0.99)  # those of Ding et al. 2022
STEP = 600  # bits from one divisor to the next
SMALLEST = 2.0**-STEP


@dataclass(frozen=True, slots=True)
class HighContribution:
    """The smallest centred square that holds a share of the total importance.

    Attributes
    ----------
    share : float
    side : int
        Of the square, in units; where the map ends before the square does, its longest side.
    area_ratio : float
        Units of the square over units of the map: the papers' ratio r.
    """

    share: float
    side: int
    area_ratio: float

    def to_dict(self) -> dict[str, float]:
        """All fields, ready for JSON."""
        return {"share": self.share, "side": self.side, "area_ratio": self.area_ratio}


def high_contribution(
    imp: ImportanceMap,
    shares: Sequence[float] = SHARES,
    scale: str = "linear",
    centre: Sequence[int] | None = None,
) -> tuple[HighContribution, ...]:
    """The high-contribution area of Ding et al. 2022, for several shares.

    Parameters
    ----------
    imp : ImportanceMap
        By any measure. A gradient's ``"mean_relu"`` is the papers' statistic.
    shares : sequence of float, optional
        Each above 0 and at most 1.
    scale : {"linear", "sqrt", "log10"}, optional
        What an importance x counts as. ``"linear"``: x. ``"sqrt"``: its root, so that a mean
        square becomes what a mean size is in a wide network: for a ``"variance"`` map this is
        the like of the papers' statistic. ``"log10"``: log10(x + 1), compatible with the
        script of the paper, which does this before it takes shares. **The ratios then depend
        on the scale of x**: multiply all importances by ten, and they are others. Only for
        comparing with numbers that were made that way.
    centre : sequence of int, optional
        Position of the squares' centre; default the middle of the map, ``size // 2`` on every
        axis.

    Returns
    -------
    tuple of HighContribution
        One a share.

    Raises
    ------
    ThresholdError
        If a share is out of range, or the centre is no position of the map.
    InputError
        If the map is empty, or its values are negative, infinite or undefined.
    NameLookupError
        If there is no such scale.

    Notes
    -----
    The squares are those of ``imp.erf(share, rule="square", centre=centre)``: with sides of
    1, 3, 5, … units, cut at the border, the smallest that holds at least the share.

    With ``"log10"`` they begin at three units and must hold *more* than the share, as in the
    script. That looks at squares inside the map only, and returns nothing where none is large
    enough, as on a flat map of even size at 99 %; here there is always a last one, the map.

    Examples
    --------
    >>> import erfgraph as eg
    >>> imp = eg.importance(eg.load("conv3*20", input_shape=(41, 41)))
    >>> for row in eg.high_contribution(imp):
    ...     print(row.share, row.side, round(row.area_ratio, 3))
    0.2 5 0.015
    0.3 7 0.029
    0.5 9 0.048
    0.99 21 0.262

    The root of a Gaussian is wider by √2, and its logarithm is nearly flat:

    >>> [row.side for row in eg.high_contribution(imp, scale="sqrt")]
    [7, 9, 11, 29]
    >>> [row.side for row in eg.high_contribution(imp, scale="log10")]
    [17, 21, 27, 41]
    """
    if not isinstance(imp, ImportanceMap):
        raise InputError(f"imp: got {imp!r}, wanted an ImportanceMap (see erfgraph.importance)")
    if scale not in _SCALES:
        raise unknown_name("scale", str(scale), _SCALES)
    wanted = [check_threshold("square", share) for share in shares]
    _check_values(imp)
    row = _SCALES[scale]
    middle = tuple(n // 2 for n in imp.shape) if centre is None else _position(imp, centre)
    scaled = imp if row.of is None else replace_values(imp, row.of(_logarithms(imp)))
    return tuple(_square(scaled, share, middle, row) for share in wanted)


def replace_values(imp: ImportanceMap, window: np.ndarray) -> ImportanceMap:
    """A plain map with other values on the same window, float64."""
    about = {
        key: getattr(imp, key)
        for key in ("layer", "unit", "of", "measure", "shape", "input_shape", "network")
    }
    return ImportanceMap(**about, offset=imp.offset, counts=Counts(window), channels=imp.channels)


@dataclass(frozen=True)
class _Scale:
    """One row.

    Attributes
    ----------
    of : callable or None
        From the natural logarithms of importances to what they count as, up to a factor.
    strict : bool
        Whether a square must hold more than the share, and more than one unit a side.
    """

    of: Callable[[np.ndarray], np.ndarray] | None = None
    strict: bool = False


def _root(logs: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp((logs - logs.max()) / 2))


def _log10_more(logs: np.ndarray) -> np.ndarray:
    """log10(x + 1), exact to rounding for tiny x, and finite where x itself is not."""
    return np.asarray(np.logaddexp(0.0, logs) / math.log(10))


_SCALES = {
    "linear": _Scale(),
    "sqrt": _Scale(_root),
    "log10": _Scale(_log10_more, strict=True),
}


def _logarithms(imp: ImportanceMap) -> np.ndarray:
    """Natural logarithms of the true importances on the window; minus infinity for none."""
    logs = np.full(imp.counts.shape, -np.inf)
    divisor = imp.peak.value
    while True:
        quotient = imp.counts.divided(divisor)
        # integers may be too far apart for quotients by one number to be doubles
        last = not imp.exact or divisor == 1
        fresh = np.isneginf(logs) & (quotient > (0.0 if last else SMALLEST))
        logs[fresh] = np.log(quotient[fresh]) + math.log(divisor)
        if last:
            return logs + imp.log10_scale * math.log(10)
        divisor = max(1, int(divisor) >> STEP)


def _position(imp: ImportanceMap, centre: Any) -> tuple[int, ...]:
    given = (centre,) if is_int(centre) else centre
    if not isinstance(given, list | tuple) or not all(is_int(c) for c in given):
        raise ThresholdError(f"centre: got {centre!r}, wanted a position in {imp.shape}")
    return tuple(int(c) for c in given)


def _check_values(imp: ImportanceMap) -> None:
    if not imp.exact:
        values = imp.counts.array()
        if not np.isfinite(values).all() or values.min() < 0:
            raise InputError("imp: got values that are negative or not finite, wanted none")
    if not imp.total:
        raise InputError("imp: got a map without any importance, wanted one that is not empty")


def _square(
    imp: ImportanceMap, share: float, centre: tuple[int, ...], row: _Scale
) -> HighContribution:
    field = imp.erf(share, rule="square", centre=centre)
    assert field.bbox is not None
    radius = max(max(c - a, b - 1 - c) for c, (a, b) in zip(centre, field.bbox, strict=True))
    if row.strict:
        radius = max(radius - 1, 1)  # less one: sums in another order may round otherwise
        while not _passes(imp, share, centre, radius):
            radius += 1
    sides = [
        min(n, c + radius + 1) - max(0, c - radius) for c, n in zip(centre, imp.shape, strict=True)
    ]
    return HighContribution(share, max(sides), math.prod(sides) / math.prod(imp.shape))


def _passes(imp: ImportanceMap, share: float, centre: tuple[int, ...], radius: int) -> bool:
    """Whether a square holds more than the share, or everything."""
    box = tuple(slice(max(0, c - radius), c + radius + 1) for c in centre)
    inside = imp.values[box]
    return inside.size == imp.values.size or bool(inside.sum() / imp.values.sum() > share)
