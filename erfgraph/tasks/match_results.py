"""`ObjectMatch` and its parts: what matching levels to objects found."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.display import Shown
from erfgraph.tasks.objects import ObjectSizes

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Level:
    """One feature map of a detector, by its centre unit. Lengths in pixels of the input.

    Attributes
    ----------
    name : str
    stride : tuple of float
        Per axis, pixels from one unit's centre to the next one's.
    trf : float
        Side of the theoretical field with padding counted: geometric mean of the axes', or
        that of one axis, as objects are measured.
    erf : float
        Side of the effective field: ``sqrt(area)``, or its box's side on one axis.
    low, high : float
        Sizes of the objects that the level suits, both included.
    """

    name: str
    stride: tuple[float, ...]
    trf: float
    erf: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "name": self.name,
            "stride": list(self.stride),
            "trf": self.trf,
            "erf": self.erf,
            "suits": [self.low, self.high],
        }


@dataclass(frozen=True, slots=True)
class Gap:
    """Objects that no level covers and that lie between the same two levels' ranges.

    Attributes
    ----------
    above, below : float
        The gap in pixels, both ends excluded: from 0, or up to infinity, at the outside.
    count : int
        Objects inside it.
    smallest, largest : float
        Their sizes.
    """

    above: float
    below: float
    count: int
    smallest: float
    largest: float

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; None for infinity."""
        return {
            "above": self.above,
            "below": None if math.isinf(self.below) else self.below,
            "count": self.count,
            "smallest": self.smallest,
            "largest": self.largest,
        }


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """How one class's objects fit the levels; shares are NaN for a class without objects.

    Attributes
    ----------
    name : str
    count : int
        Objects.
    quantiles : tuple of float
        Sizes in pixels at 0, 5, 25, 50, 75, 95 and 100 %.
    shares : tuple of float
        Per level, the share of objects that it covers; an object may have several levels.
    uncovered : float
        Share that no level covers.
    gaps : tuple of Gap
        Where these are, smallest first.
    """

    name: str
    count: int
    quantiles: tuple[float, ...]
    shares: tuple[float, ...]
    uncovered: float
    gaps: tuple[Gap, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; None where there is no object."""
        there = self.count > 0
        names = [f"{100 * q:g}%" for q in QUANTILES]
        return {
            "name": self.name,
            "count": self.count,
            "quantiles": dict(zip(names, self.quantiles, strict=True)) if there else None,
            "shares": list(self.shares) if there else None,
            "uncovered": self.uncovered if there else None,
            "gaps": [gap.to_dict() for gap in self.gaps],
        }


@dataclass(frozen=True, slots=True)
class AnchorMatch:
    """An anchor against the fields of its level.

    Attributes
    ----------
    level : str
    anchor : float
        Its size in pixels.
    over_erf, over_trf : float
        Size over the side of the effective and of the theoretical field.
    suits : bool
        Whether it lies within the sizes that the level suits.
    """

    level: str
    anchor: float
    over_erf: float
    over_trf: float
    suits: bool

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; None for infinity."""
        return {
            "level": self.level,
            "anchor": self.anchor,
            "over_erf": _finite(self.over_erf),
            "over_trf": _finite(self.over_trf),
            "suits": self.suits,
        }


@dataclass(frozen=True, slots=True)
class StrideMatch:
    """A stride that a configuration gives against that of the level.

    Attributes
    ----------
    level : str
    given : float
    stride : tuple of float
        The level's own, per axis.
    agrees : bool
        Whether they are equal on all axes.
    """

    level: str
    given: float
    stride: tuple[float, ...]
    agrees: bool

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "level": self.level,
            "given": self.given,
            "stride": list(self.stride),
            "agrees": self.agrees,
        }


@dataclass(frozen=True)
class ObjectMatch(Shown):
    """Levels' fields against objects' sizes, made by `match_objects`.

    Attributes
    ----------
    network : str or None
    input_shape : tuple of int
    size : str
        How objects and fields are measured: ``"area"``, ``"height"`` or ``"width"``.
    resize : str
    fit : (float, float)
    measure, rule : str
    threshold : float
    levels : tuple of Level
    total : ClassMatch
        All classes together.
    classes : tuple of ClassMatch
        In the data set's order.
    anchors : tuple of AnchorMatch
    strides : tuple of StrideMatch
    objects : ObjectSizes
        As they appear in the input.
    covered : bool array of shape (objects, levels)
        Which level covers which object.
    """

    network: str | None
    input_shape: tuple[int, ...]
    size: str
    resize: str
    fit: tuple[float, float]
    measure: str
    rule: str
    threshold: float
    levels: tuple[Level, ...]
    total: ClassMatch
    classes: tuple[ClassMatch, ...]
    anchors: tuple[AnchorMatch, ...]
    strides: tuple[StrideMatch, ...]
    objects: ObjectSizes = field(repr=False)
    covered: np.ndarray = field(repr=False)

    @property
    def sides(self) -> np.ndarray:
        """The objects' sizes in pixels, float64 of shape (objects,)."""
        return self.objects.sides(self.size)

    def to_dict(self) -> dict[str, Any]:
        """All numbers but those of single objects, ready for JSON."""
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "size": self.size,
            "resize": self.resize,
            "fit": list(self.fit),
            "measure": self.measure,
            "rule": self.rule,
            "threshold": self.threshold,
            "images": self.objects.n_images,
            "crowds_ignored": self.objects.n_crowd,
            "dropped": self.objects.n_dropped,
            "levels": [level.to_dict() for level in self.levels],
            "total": self.total.to_dict(),
            "classes": [one.to_dict() for one in self.classes],
            "anchors": [one.to_dict() for one in self.anchors],
            "strides": [one.to_dict() for one in self.strides],
        }


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
