"""`radial`: importance by distance from the centre, with the radii of both fields."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph import shape as measures
from erfgraph.display import Shown
from erfgraph.erf import ERF
from erfgraph.errors import InputError
from erfgraph.importance_map import ImportanceMap
from erfgraph.params import Shape


@dataclass(frozen=True, slots=True, eq=False)
class Radial(Shown):
    """Radial profile of an importance map. Lengths are in units of the rated map.

    Attributes
    ----------
    network : str or None
    layer : str
    unit : tuple of int
    of, measure, rule : str
    threshold : float
        What makes the effective field.
    axes : int
        Spatial axes of the map.
    radius : float64 array
        0, 1, 2, …; ring r holds the units at a distance in [r - 1/2, r + 1/2) from the centre
        of mass.
    share : float64 array of the same length
        Mean share of the total of a unit of the ring; positions beyond the map count as 0.
        NaN for a ring without a position.
    relative : float64 array of the same length
        The same, over the importance of the most important unit.
    erf_radius : float
        Of the ball that has as many units as the effective field.
    trf_radius : float
        Of the ball as large as the theoretical field's box inside the map, which the border
        may cut; the box's sides lie nearer, its corners further out.
    half_radius : float
        The distance within which half of the importance lies.
    at_border : bool
        Whether the theoretical field's box reaches the border of the map, so that the field
        may be larger than `trf_radius` says.
    """

    network: str | None
    layer: str
    unit: Shape
    of: str
    measure: str
    rule: str
    threshold: float
    axes: int
    radius: np.ndarray = field(repr=False)
    share: np.ndarray = field(repr=False)
    relative: np.ndarray = field(repr=False)
    erf_radius: float
    trf_radius: float
    half_radius: float
    at_border: bool = False

    def below(self, share: float) -> int:
        """The smallest ring from which on the mean stays below a share of the largest.

        Rings without a position count as empty.
        """
        least = np.flatnonzero(np.nan_to_num(self.relative) >= share)
        return int(least[-1]) + 1 if len(least) else 0

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; ``null`` for a ring without a position."""
        return {
            "network": self.network,
            "layer": self.layer,
            "unit": list(self.unit),
            "of": self.of,
            "measure": self.measure,
            "rule": self.rule,
            "threshold": self.threshold,
            "erf_radius": self.erf_radius,
            "trf_radius": self.trf_radius,
            "half_radius": self.half_radius,
            "at_border": self.at_border,
            "radius": self.radius.tolist(),
            "share": [None if math.isnan(v) else v for v in self.share.tolist()],
            "relative": [None if math.isnan(v) else v for v in self.relative.tolist()],
        }


def radial(
    imp: ImportanceMap,
    erf: ERF | None = None,
    *,
    rule: str = "peak",
    threshold: float | None = None,
) -> Radial:
    """Mean importance by distance from the centre of mass, and the radii of both fields.

    Parameters
    ----------
    imp : ImportanceMap
    erf : ERF, optional
        Its effective field; default ``imp.erf(threshold, rule)``.
    rule, threshold : optional
        As for `ImportanceMap.erf`.

    Returns
    -------
    Radial

    Raises
    ------
    InputError
        If no path leads to the unit.
    ThresholdError, NameLookupError
        As `ImportanceMap.erf`.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.radial(eg.importance(eg.load("conv3*9", (19, 19))))
    >>> found.relative.round(3)[:6].tolist()
    [1.0, 0.892, 0.698, 0.488, 0.273, 0.121]
    >>> [round(r, 2) for r in (found.trf_radius, found.erf_radius, found.half_radius)]
    [10.72, 6.21, 3.0]
    """
    if not isinstance(imp, ImportanceMap):
        raise InputError(f"imp: got {imp!r}, wanted an ImportanceMap (see erfgraph.importance)")
    if imp.trf.bbox is None:
        raise InputError(f"imp: no path leads to unit {imp.unit} of {imp.layer!r}")
    found = imp.erf(threshold, rule) if erf is None else erf
    share = imp.share[imp.window_slices]
    radius, mean = imp.radial_profile()
    n = len(imp.shape)
    return Radial(
        imp.network,
        imp.layer,
        imp.unit,
        imp.of,
        f"channel {imp.measure}" if imp.channels == "count" else imp.measure,
        found.rule,
        found.threshold,
        n,
        radius,
        mean,
        mean / share.max(),
        ball_radius(found.area, n),
        ball_radius(math.prod(imp.trf.size), n),
        _half(share),
        any(a == 0 or b == n for (a, b), n in zip(imp.trf.bbox, imp.shape, strict=True)),
    )


def ball_radius(volume: float, axes: int) -> float:
    """Radius of the ball of a volume: of a stretch, a disc or a sphere.

    Examples
    --------
    >>> ball_radius(17, 1), round(ball_radius(3.14159, 2), 4)
    (8.5, 1.0)
    """
    unit = 2.0 if axes == 1 else math.pi ** (axes / 2) / math.gamma(axes / 2 + 1)
    return float((volume / unit) ** (1 / axes))


def _half(share: np.ndarray) -> float:
    """The smallest distance within which half of the importance lies."""
    distance = measures.distances(share.shape, measures.centre_of_mass(share)).ravel()
    # without its last places, so that mirrored units are equally far in spite of rounding
    distance = np.round(distance, 9)
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(share.ravel()[order])
    return float(distance[order][np.searchsorted(held, 0.5 - 1e-12)])
