"""Detection as dense classification: what each cell of an output grid sees of the image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from erfgraph.arithmetic import receptive_field
from erfgraph.display import Shown
from erfgraph.erf import check_threshold
from erfgraph.errors import InputError, SizeError, unknown_name
from erfgraph.network import FeatureMap, Network, unit_of
from erfgraph.params import Shape
from erfgraph.shape import Box
from erfgraph.sweeps import MEASURES, importance

MOST_CELLS = 4096

Progress = Callable[[int, int], Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One unit of an output grid and what it sees. Boxes are (start, stop) per axis, in pixels.

    Attributes
    ----------
    unit : tuple of int
        Its position in the grid.
    centre : tuple of float
        Centre of its theoretical field, pixel centres at whole numbers; it may lie outside the
        image. NaN on an axis on which it sees nothing.
    box : tuple of (int, int) or None
        Theoretical field with padding counted as positions: it may reach beyond the image.
        None if it sees nothing.
    trf : tuple of (int, int) or None
        Box of the image's pixels with a path to it. None if there is none.
    erf : tuple of (int, int) or None
        Box of its effective field.
    area : int
        Pixels of the effective field.
    side : float
        Equivalent side of the effective field in pixels, ``area ** (1 / axes)``.
    """

    unit: Shape
    centre: tuple[float, ...]
    box: Box | None
    trf: Box | None
    erf: Box | None
    area: int
    side: float

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "unit": list(self.unit),
            "centre": [None if math.isnan(c) else c for c in self.centre],
            "box": _lists(self.box),
            "trf": _lists(self.trf),
            "erf": {"bbox": _lists(self.erf), "area": self.area, "side": self.side},
        }


@dataclass(frozen=True)
class Cells(Shown):
    """The cells of an output grid, made by `cells`. Indexed by position: ``found[0, -1]``.

    Attributes
    ----------
    network : str or None
    layer : str
        The feature map that is the grid.
    shape : tuple of int
        Its spatial shape.
    input_shape : tuple of int
    stride : tuple of float
        Pixels from one cell's centre to the next one's, per axis.
    measure, rule : str
    threshold : float
    cells : tuple of Cell
        In raster order.
    """

    network: str | None
    layer: str
    shape: Shape
    input_shape: Shape
    stride: tuple[float, ...]
    measure: str
    rule: str
    threshold: float
    cells: tuple[Cell, ...]

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def __getitem__(self, unit: Any) -> Cell:
        at = unit_of(FeatureMap(self.layer, self.shape, 1, 0), unit)
        return self.cells[int(np.ravel_multi_index(at, self.shape))]

    @cached_property
    def seen(self) -> np.ndarray:
        """How many cells' effective boxes hold each pixel: int64, of the input's shape."""
        # opened at each box's first corner, closed at the others: a sum over both axes remains
        steps = np.zeros([n + 1 for n in self.input_shape], dtype=np.int64)
        for cell in self.cells:
            if cell.erf:
                for corner in np.ndindex(*(2,) * len(cell.erf)):
                    at = tuple(b[c] for b, c in zip(cell.erf, corner, strict=True))
                    steps[at] += (-1) ** sum(corner)
        for axis in range(steps.ndim):
            steps = steps.cumsum(axis)
        return steps[tuple(slice(n) for n in self.input_shape)]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "layer": self.layer,
            "shape": list(self.shape),
            "stride": list(self.stride),
            "measure": self.measure,
            "rule": self.rule,
            "threshold": self.threshold,
            "share_seen": float(np.count_nonzero(self.seen) / self.seen.size),
            "cells": [cell.to_dict() for cell in self.cells],
        }


def cells(
    net: Network,
    layer: str | FeatureMap | None = None,
    rule: str = "peak",
    threshold: float | None = None,
    measure: str = "paths",
    *,
    progress: Progress | None = None,
) -> Cells:
    """What every cell of an output grid sees: centre, theoretical and effective box.

    A fully convolutional network with a 3x3 output labels nine regions at once: the nine
    receptive fields, each around its centre.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        The feature map whose units are the cells; default the last.
    rule, threshold : optional
        What makes the effective field, as for `ImportanceMap.erf`.
    measure : str, optional
        As for `importance`.
    progress : callable, optional
        Called with (cells done, all cells).

    Returns
    -------
    Cells

    Raises
    ------
    NameLookupError
        If there is no such layer, rule or measure.
    ThresholdError
        If the threshold is out of the rule's range.
    SizeError
        If the grid has more than 4096 cells: each is a sweep of its own.
    InputError
        If `net` is no network, or has no layers.

    Notes
    -----
    Centre and `Cell.box` are by arithmetic and count padding as positions; `Cell.trf` and
    `Cell.erf` are those of ``importance(net, layer, cell)``, so they lie inside the image and
    know what padding, holes and misaligned branches do at its borders.

    Examples
    --------
    >>> import erfgraph as eg
    >>> net = eg.load("conv3p1*2 max2 conv3p1 max2 conv3p1 max2", input_shape=(24, 24))
    >>> found = eg.cells(net)
    >>> found.shape, found.stride
    ((3, 3), (8.0, 8.0))
    >>> found[0, 0].box, found[0, 0].trf
    (((-8, 16), (-8, 16)), ((0, 16), (0, 16)))
    >>> found[1, 1].centre, found[1, 1].erf
    ((11.5, 11.5), ((1, 23), (1, 23)))
    """
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
    if not net.layers:
        raise InputError("the network has no layers, so no unit to ask about")
    grid = net.output if layer is None else net._resolve(layer, "layer")
    if measure not in MEASURES:
        raise unknown_name("measure", str(measure), MEASURES)
    value = check_threshold(rule, threshold)
    n = math.prod(grid.shape)
    if n > MOST_CELLS:
        shape = " x ".join(map(str, grid.shape))
        raise SizeError(
            f"{grid.name!r} has {shape} = {n} cells, and each is a sweep of its own: at most "
            f"{MOST_CELLS}; ask for a coarser layer, or single units by erfgraph.importance"
        )
    arithmetic = receptive_field(net, grid)
    made = []
    for i, unit in enumerate(np.ndindex(*grid.shape)):
        if progress:
            progress(i, n)
        found = importance(net, grid, unit, measure)
        erf = found.erf(value, rule)
        hulls = arithmetic.field(unit)
        box = tuple((h[0], h[1] + 1) for h in hulls if h is not None)
        made.append(
            Cell(
                unit=unit,
                centre=arithmetic.centre(unit),
                box=box if len(box) == len(hulls) else None,
                trf=found.trf.bbox,
                erf=erf.bbox,
                area=erf.area,
                side=erf.size,
            )
        )
    if progress:
        progress(n, n)
    stride = tuple(float(s) for s in arithmetic.stride)
    return Cells(
        net.name, grid.name, grid.shape, net.input.shape, stride, measure, rule, value, tuple(made)
    )


def _lists(box: Box | None) -> list[list[int]] | None:
    return [list(b) for b in box] if box else None
