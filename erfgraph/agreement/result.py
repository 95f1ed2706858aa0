"""`Comparison`: every number of how two maps agree, with intervals where there are samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.agreement.cost import Cost
from erfgraph.display import Shown
from erfgraph.importance_map import ImportanceMap


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its confidence interval.

    Attributes
    ----------
    value : float
    low, high : float or None
        None where no map carries samples, or a draw has no finite number.
    """

    value: float
    low: float | None = None
    high: float | None = None

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, float | None]:
        """All fields, ready for JSON: ``null`` where the value is infinite or undefined."""
        return {"value": finite(self.value), "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Noise:
    """Expected total variation that comes of too few samples alone.

    Attributes
    ----------
    a, b : float
        Between each map and what it tends to; 0 for a map without samples.
    both : float
        Between the two maps if they tended to the same: what to hold a total variation against.
    """

    a: float
    b: float
    both: float

    def to_dict(self) -> dict[str, float]:
        """All fields, ready for JSON."""
        return {"a": self.a, "b": self.b, "both": self.both}


@dataclass(frozen=True, eq=False)
class Curve:
    """Intersection over union of the two ERFs (rule ``"peak"``) over the threshold.

    Attributes
    ----------
    thresholds : float64 array (levels,)
        Shares of the largest importance, ascending.
    iou : float64 array (levels,)
    low, high : float64 array (levels,) or None
        Limits of the confidence interval, where samples are at hand.
    """

    thresholds: np.ndarray
    iou: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "thresholds": self.thresholds.tolist(),
            "iou": self.iou.tolist(),
            "low": None if self.low is None else self.low.tolist(),
            "high": None if self.high is None else self.high.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Comparison(Shown):
    """How far two importance maps of one grid agree.

    Made by `compare`. All numbers are of the shares (importance over the total). Lengths are
    in units (positions), differences are a less b.

    Attributes
    ----------
    a, b : ImportanceMap
    total_variation : Estimate
        Half the sum of absolute differences: 0 for equal maps, 1 for maps without a common
        unit.
    relative_l2 : Estimate
        Euclidean norm of the difference over that of b.
    pearson, spearman : Estimate
        Correlation of the shares and of their ranks (ties share a rank), over the units that
        at least one map reaches; NaN where a map is constant there.
    kl_a_b, kl_b_a : Estimate
        Kullback-Leibler divergence of the first from the second, in nats; infinite where the
        first has mass outside the second's support.
    outside_a, outside_b : float
        Share of that map's mass on units that the other does not reach.
    iou : Estimate
        Intersection over union of the ERFs at the default threshold of rule ``"peak"``.
    iou_mean : Estimate
        Area under `curve` over the logarithm of the threshold, divided by its length.
    curve : Curve
    side_a, side_b : float
        Equivalent sides of the ERFs at the default threshold.
    side_difference : Estimate
    std_difference : tuple of Estimate
        Of the standard deviations, one per axis.
    centre_distance : Estimate
        Euclidean distance between the centres of mass.
    noise : Noise or None
        None where no map carries samples.
    groups : (int, int)
        Groups of samples of a and b that were drawn again; 0 for a map without.
    draws : int
        How often.
    confidence : float
    interval : {"reflected", "percentile"}
    costs : (Cost or None, Cost or None)
        What each map took, if it was measured.
    """

    a: ImportanceMap = field(repr=False)
    b: ImportanceMap = field(repr=False)
    total_variation: Estimate
    relative_l2: Estimate
    pearson: Estimate
    spearman: Estimate
    kl_a_b: Estimate
    kl_b_a: Estimate
    outside_a: float
    outside_b: float
    iou: Estimate
    iou_mean: Estimate
    curve: Curve = field(repr=False)
    side_a: float
    side_b: float
    side_difference: Estimate
    std_difference: tuple[Estimate, ...]
    centre_distance: Estimate
    noise: Noise | None
    groups: tuple[int, int]
    draws: int
    confidence: float
    interval: str
    costs: tuple[Cost | None, Cost | None] = (None, None)

    @property
    def noise_ratio(self) -> float | None:
        """Total variation over the noise: near 1 it is nothing but noise; None without noise."""
        if self.noise is None or not self.noise.both:
            return None
        return self.total_variation.value / self.noise.both

    @property
    def beyond_noise(self) -> float:
        """What the total variation would be without the noise, which adds in squares.

        The root of ``total_variation² - noise²``, 0 where that is negative.
        """
        noise = self.noise.both if self.noise else 0.0
        return math.sqrt(max(0.0, self.total_variation.value**2 - noise**2))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON: ``null`` where one is infinite or undefined."""
        estimates = ("total_variation", "relative_l2", "pearson", "spearman", "kl_a_b", "kl_b_a")
        more = ("iou", "iou_mean", "side_difference", "centre_distance")
        return {
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            **{key: getattr(self, key).to_dict() for key in (*estimates, *more)},
            "std_difference": [e.to_dict() for e in self.std_difference],
            "outside_a": self.outside_a,
            "outside_b": self.outside_b,
            "side_a": self.side_a,
            "side_b": self.side_b,
            "std_a": list(self.a.std),
            "std_b": list(self.b.std),
            "curve": self.curve.to_dict(),
            "noise": None if self.noise is None else self.noise.to_dict(),
            "noise_ratio": self.noise_ratio,
            "beyond_noise": self.beyond_noise,
            "groups": list(self.groups),
            "draws": self.draws,
            "confidence": self.confidence,
            "interval": self.interval,
            "costs": [None if c is None else c.to_dict() for c in self.costs],
        }


def finite(value: float) -> float | None:
    """A number, or None for what JSON has no name for."""
    return value if math.isfinite(value) else None
