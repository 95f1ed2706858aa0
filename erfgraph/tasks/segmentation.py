"""Segmentation: holes and unevenness of what units see.

`gridding` finds the holes that dilated layers leave in a field, `checkerboard` how unevenly
transposed layers spread paths over the units of a map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph.arithmetic import LONGEST_PERIOD
from erfgraph.display import Shown
from erfgraph.errors import InputError, SizeError
from erfgraph.importance_map import ImportanceMap
from erfgraph.network import FeatureMap, Network
from erfgraph.params import Shape
from erfgraph.path_classes import path_classes, shortest
from erfgraph.paths import count
from erfgraph.plan import compile_plan
from erfgraph.shape import Box
from erfgraph.sweeps import importance
from erfgraph.view import view

# --- holes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gridding(Shown):
    """The holes in a unit's field: units inside its box without a path to it.

    Attributes
    ----------
    layer : str
    unit : tuple of int
    box : tuple of (start, stop) or None
        The smallest box that holds the field, in units of the input; None if it is empty.
    units : int
        Units in the box.
    holes : int
        Those without a path.
    period : tuple of int or None
        Per axis, after how many units the pattern of holes repeats within the box: 1 where
        it does not change along the axis, None where it does not repeat at least twice.
    lattice : tuple of int
        Per axis, the largest step by which all units with a path lie on one lattice: 1 where
        neighbours take part, d where every layer's dilation is a multiple of d.
    """

    layer: str
    unit: Shape
    box: Box | None
    units: int
    holes: int
    period: tuple[int | None, ...]
    lattice: tuple[int, ...]

    @property
    def share_of_holes(self) -> float:
        """Share of the box without a path."""
        return self.holes / self.units if self.units else 0.0

    @property
    def share_used(self) -> float:
        """Share of the box with a path."""
        return 1 - self.share_of_holes if self.units else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "layer": self.layer,
            "unit": list(self.unit),
            "box": [list(b) for b in self.box] if self.box else None,
            "units": self.units,
            "holes": self.holes,
            "share_of_holes": self.share_of_holes,
            "share_used": self.share_used,
            "period": list(self.period),
            "lattice": list(self.lattice),
        }


def gridding(
    source: Network | ImportanceMap,
    layer: str | FeatureMap | None = None,
    unit: Any = None,
) -> Gridding:
    """The holes in a unit's field, as dilated layers leave them.

    Parameters
    ----------
    source : Network or ImportanceMap
    layer, unit
        As for `importance`, where `source` is a network.

    Returns
    -------
    Gridding

    Raises
    ------
    NameLookupError, InputError, SizeError
        As `importance` does; InputError also where `source` is something else, or a layer or
        unit is given beside an importance map.

    Notes
    -----
    Wang et al., "Understanding Convolution for Semantic Segmentation" (2018): layers whose
    dilations share a factor leave holes; hybrid dilations do not.

    Examples
    --------
    Three 3x3 layers of dilation 2 use 29 % of their field, of dilations 1, 2 and 5 all of it:

    >>> import erfgraph as eg
    >>> found = eg.gridding(eg.load("conv3d2*3", (13, 13)))
    >>> found.units, round(found.share_used, 2), found.period
    (169, 0.29, (2, 2))
    >>> eg.gridding(eg.load("conv3d1 conv3d2 conv3d5", (17, 17))).share_used
    1.0
    """
    if isinstance(source, ImportanceMap):
        if layer is not None or unit is not None:
            raise InputError("layer, unit: an importance map has its own, give a network")
        imp = source
    elif isinstance(source, Network):
        imp = importance(source, layer, unit)
    else:
        raise InputError(f"source: got {source!r}, wanted a Network or an ImportanceMap")
    box, ndim = imp.trf.bbox, len(imp.shape)
    if box is None:
        return Gridding(imp.layer, imp.unit, None, 0, 0, (1,) * ndim, (1,) * ndim)
    mask = imp.trf.mask[tuple(slice(a, b) for a, b in box)]
    return Gridding(
        layer=imp.layer,
        unit=imp.unit,
        box=box,
        units=mask.size,
        holes=mask.size - int(np.count_nonzero(mask)),
        period=tuple(_period(mask, axis) for axis in range(ndim)),
        lattice=tuple(_lattice(mask, axis) for axis in range(ndim)),
    )


def _period(mask: np.ndarray, axis: int) -> int | None:
    """After how many positions the slices across an axis repeat."""
    labels = np.unique(_slices(mask, axis), axis=0, return_inverse=True)[1].ravel()
    n = len(labels)
    for period in range(1, max(n // 2, 1) + 1):
        if (labels[period:] == labels[: n - period]).all():
            return period
    return None


def _slices(values: np.ndarray, axis: int) -> np.ndarray:
    """The slices across an axis, a row each."""
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _lattice(mask: np.ndarray, axis: int) -> int:
    others = tuple(a for a in range(mask.ndim) if a != axis)
    used = np.flatnonzero(mask.any(axis=others))
    return int(np.gcd.reduce(np.diff(used))) if len(used) > 1 else 1


# --- unevenness -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Checkerboard(Shown):
    """How unevenly paths from the input are spread over the units of a feature map.

    Attributes
    ----------
    layer : str
    shape : tuple of int
        Spatial shape of the feature map.
    pattern : array of Python ints
        Paths into the units of one period, far from any border: unit u has
        ``pattern[u % period]``. Exact.
    counts : int64 or object array, the map's shape, or None
        Paths into every unit, borders included; exact. None where they were not asked for.
    """

    layer: str
    shape: Shape
    pattern: np.ndarray = field(repr=False)
    counts: np.ndarray | None = field(repr=False, default=None)

    @property
    def period(self) -> tuple[int, ...]:
        """Per axis, after how many units the pattern repeats; 1 where it is even."""
        return self.pattern.shape

    @property
    def contrast(self) -> float:
        """(largest - smallest) / (largest + smallest) of the pattern; 0 where it is even."""
        return _contrast(self.pattern)

    @property
    def axis_contrast(self) -> tuple[float, ...]:
        """The same along each axis, of the sums over the others."""
        axes = range(self.pattern.ndim)
        return tuple(
            _contrast(self.pattern.sum(axis=tuple(b for b in axes if b != a))) for a in axes
        )

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; the pattern where it is not long."""
        return {
            "layer": self.layer,
            "period": list(self.period),
            "contrast": self.contrast,
            "axis_contrast": list(self.axis_contrast),
            "pattern": self.pattern.tolist() if self.pattern.size <= 1024 else None,
        }


def _contrast(values: np.ndarray) -> float:
    most, least = int(values.max()), int(values.min())
    # of integers of any size, correctly rounded
    return (most - least) / (most + least) if most + least else 0.0


def checkerboard(
    net: Network, layer: str | FeatureMap | None = None, counts: bool = True
) -> Checkerboard:
    """How unevenly paths from the input are spread over the units of a feature map.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Default the last.
    counts : bool, optional
        Whether to count the paths into every unit of the map, borders included, too.

    Returns
    -------
    Checkerboard

    Raises
    ------
    NameLookupError
        If there is no such layer.
    SizeError
        If the pattern is too long, or the counts do not fit into memory.

    Notes
    -----
    Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts" (Distill 2016): a
    transposed convolution whose kernel its stride does not divide covers its output unevenly.
    The pattern is the closed form, carried along the feature maps as in `spectrum`; the counts
    are one forward sweep of ones from all input units. Where a unit's field does not touch a
    border they agree.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.checkerboard(eg.load("deconv3s2", 6))
    >>> found.pattern.tolist(), found.counts.tolist()
    ([2, 1], [1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1])
    >>> round(found.contrast, 3), eg.checkerboard(eg.load("deconv4s2", 6)).contrast
    (0.333, 0.0)
    """
    top = _top(net, layer)
    return Checkerboard(top.name, top.shape, _pattern(net, top), _all_counts(net, top, counts))


def _pattern(net: Network, top: FeatureMap) -> np.ndarray:
    """Paths into the units of one period, without borders: the sum over all path classes."""
    # only the counts matter, so fields need not be told apart
    classes = path_classes(net, top, by="depth")
    ndim = len(top.shape)
    period = tuple(math.lcm(*(len(c.counts[a]) for c in classes)) for a in range(ndim))
    if math.prod(period) > LONGEST_PERIOD:
        raise SizeError(f"paths repeat only every {period} units; at most {LONGEST_PERIOD} in all")
    total = np.zeros(period, dtype=object)
    for each in classes:
        part: Any = each.paths
        for axis, counts in enumerate(each.counts):
            line = np.array(counts, dtype=object)
            line = np.tile(line, period[axis] // len(line))
            part = part * line.reshape([-1 if a == axis else 1 for a in range(ndim)])
        total = total + part
    for axis in range(ndim):
        rows = [tuple(row) for row in _slices(total, axis).tolist()]
        names = {row: i for i, row in enumerate(dict.fromkeys(rows))}
        length = len(shortest([names[row] for row in rows]))
        total = total.take(range(length), axis=axis)
    return total


def _all_counts(net: Network, top: FeatureMap, wanted: bool) -> np.ndarray | None:
    if not wanted:
        return None
    whole = tuple((0, n) for n in net.input.shape)
    plan = compile_plan(view(net, "forward", 0, top.index), 0, whole)
    found = count(plan, [top.index]).get(top.index)
    counts = np.zeros(top.shape, dtype=np.int64 if found is None else found.array().dtype)
    if found is not None:
        counts[tuple(slice(a, b) for a, b in plan.windows[top.index])] = found.array()
    return counts


def _top(net: Network, layer: str | FeatureMap | None) -> FeatureMap:
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    return net.output if layer is None else net._resolve(layer, "layer")
