"""`ERF`: a threshold applied to an importance map. One function a rule, one table row each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from erfgraph import shape as measures
from erfgraph.counts import exact_fraction
from erfgraph.display import Pictured, Shown
from erfgraph.errors import ThresholdError, unknown_name
from erfgraph.shape import Box, bounding_box

if TYPE_CHECKING:
    from erfgraph.importance_map import ImportanceMap


@dataclass(frozen=True, eq=False)
class UnitSet:
    """A set of units of one feature map.

    Attributes
    ----------
    mask : bool array of the map's shape
    """

    mask: np.ndarray = field(repr=False)

    @cached_property
    def area(self) -> int:
        """Number of units."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def bbox(self) -> Box | None:
        """The smallest box that holds all units, (start, stop) per axis; None if empty."""
        return bounding_box(self.mask)


@dataclass(frozen=True, eq=False)
class Field(UnitSet, Shown):
    """A theoretical receptive field: the units with a path."""

    @property
    def size(self) -> tuple[int, ...]:
        """Sides of the box, one per axis."""
        return tuple(b - a for a, b in self.bbox) if self.bbox else (0,) * self.mask.ndim


@dataclass(frozen=True, eq=False)
class ERF(UnitSet, Pictured):
    """An effective receptive field: the units whose importance passes a threshold.

    Attributes
    ----------
    mask : bool array of the rated map's shape
    rule : str
    threshold : float
    trf_area : int
        Units of the theoretical field, for `share_of_trf`.
    """

    rule: str
    threshold: float
    trf_area: int

    @property
    def size(self) -> float:
        """Equivalent side: ``area ** (1 / axes)``, the size of Luo et al. 2016."""
        return float(self.area ** (1 / self.mask.ndim))

    @property
    def share_of_trf(self) -> float:
        """Area over the theoretical field's; 0 if that is empty."""
        return self.area / self.trf_area if self.trf_area else 0.0

    @property
    def share_of_input(self) -> float:
        """Area over all units of the map."""
        return self.area / self.mask.size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ERF):
            return NotImplemented
        return (self.rule, self.threshold, self.trf_area) == (
            other.rule,
            other.threshold,
            other.trf_area,
        ) and np.array_equal(self.mask, other.mask)

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """All numbers that describe the field, ready for JSON."""
        return {
            "rule": self.rule,
            "threshold": self.threshold,
            "area": self.area,
            "bbox": [list(b) for b in self.bbox] if self.bbox else None,
            "size": self.size,
            "share_of_trf": self.share_of_trf,
            "share_of_input": self.share_of_input,
        }


@dataclass(frozen=True)
class _Rule:
    """One row: which units pass, the default threshold, and whether that is a share."""

    passing: Callable[..., np.ndarray]
    default: float
    is_share: bool


def _peak(imp: ImportanceMap, threshold: float) -> np.ndarray:
    return np.asarray(imp.counts.at_least(threshold) & imp.counts.support)


def _count(imp: ImportanceMap, threshold: float) -> np.ndarray:
    return imp.counts.more_than(threshold)


def _mass(imp: ImportanceMap, threshold: float) -> np.ndarray:
    middle = tuple(c - o for c, o in zip(imp.centre_of_mass, imp.offset, strict=True))
    # without its last places, so that a mirrored unit is equally far in spite of rounding
    distance = np.round(measures.distances(imp.counts.shape, middle), 9)
    return imp.counts.smallest_set(threshold, distance)


def _square(
    imp: ImportanceMap, threshold: float, centre: tuple[int, ...] | None = None
) -> np.ndarray:
    box = imp.trf.bbox
    if box is None:
        return np.zeros(imp.shape, dtype=bool)
    middle = tuple((start + stop) // 2 for start, stop in box) if centre is None else centre
    if len(middle) != len(imp.shape) or not all(
        0 <= c < n for c, n in zip(middle, imp.shape, strict=True)
    ):
        raise ThresholdError(f"centre: got {centre!r}, wanted a position in {imp.shape}")
    ring = np.zeros(imp.counts.shape, dtype=np.int64)
    for a, (c, o, n) in enumerate(zip(middle, imp.offset, imp.counts.shape, strict=True)):
        away = np.abs(np.arange(o, o + n) - c)
        ring = np.maximum(ring, away.reshape([-1 if a == b else 1 for b in range(ring.ndim)]))
    sums = imp.counts.sums_by(ring)
    total = sum(sums)
    need: float = (
        math.ceil(exact_fraction(threshold) * int(total))
        if imp.counts.exact
        else threshold * total
    )
    held: float = 0
    radius = 0
    while radius < len(sums) - 1 and (held := held + sums[radius]) < need:
        radius += 1
    whole = np.zeros(imp.shape, dtype=bool)
    whole[tuple(slice(max(0, c - radius), c + radius + 1) for c in middle)] = True
    return whole


RULES: dict[str, _Rule] = {
    "peak": _Rule(_peak, 0.0455, is_share=True),
    "mass": _Rule(_mass, 0.9545, is_share=True),
    "square": _Rule(_square, 0.9545, is_share=True),
    "count": _Rule(_count, 0.0, is_share=False),
}


def check_threshold(rule: str, threshold: float | None) -> float:
    """The threshold of a rule, its default for None.

    Raises
    ------
    NameLookupError
        If there is no such rule.
    ThresholdError
        If the threshold is no number in the rule's range.
    """
    if rule not in RULES:
        raise unknown_name("rule", str(rule), RULES)
    row = RULES[rule]
    if threshold is None:
        return row.default
    try:
        value = float(threshold)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if row.is_share and not 0 < value <= 1:
        raise ThresholdError(
            f"threshold: got {threshold!r}, rule {rule!r} wants a share above 0 and at most 1"
        )
    if not 0 <= value < math.inf:
        raise ThresholdError(
            f"threshold: got {threshold!r}, rule {rule!r} wants a number of counts, 0 or more"
        )
    return value


def make_erf(imp: ImportanceMap, threshold: float | None, rule: str, **options: Any) -> ERF:
    """Apply a threshold to an importance map; see `ImportanceMap.erf`."""
    value = check_threshold(rule, threshold)
    passing = RULES[rule].passing(imp, value, **options)
    mask = passing if passing.shape == imp.shape else imp._embed(passing)
    mask.flags.writeable = False
    return ERF(mask, rule, value, imp.trf.area)
