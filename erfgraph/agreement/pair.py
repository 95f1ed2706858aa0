"""`Pair`: two maps, or many draws of two, as distributions over the same units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from erfgraph.errors import InputError
from erfgraph.importance_map import ImportanceMap
from erfgraph.shape import bounding_box

TINY = float(np.finfo(float).tiny)  # where a count is so small beside the total that it rounds


@dataclass(frozen=True, eq=False)
class Grid:
    """The units that at least one of two maps reaches: the union of their supports.

    Attributes
    ----------
    box : tuple of slice
        Of the maps, the smallest box that holds them.
    inside : bool array
        Within the box.
    coordinates : float64 array (axes, units)
    thresholds : float64 array (levels,)
        Ascending shares of the largest importance.
    default : int
        Which of them is the default of rule ``"peak"``.
    """

    box: tuple[slice, ...]
    inside: np.ndarray
    coordinates: np.ndarray
    thresholds: np.ndarray
    default: int

    @property
    def n_axes(self) -> int:
        """Spatial axes."""
        return len(self.box)

    def take(self, whole: np.ndarray) -> np.ndarray:
        """The units of an array of shape (..., *map), as (..., units)."""
        cut: Any = (..., *self.box)
        return np.asarray(whole[cut][..., self.inside])

    def levels(self, share: np.ndarray) -> np.ndarray:
        """How many thresholds each unit passes, int64, same shape."""
        largest = share.max(axis=-1, keepdims=True)
        relative = np.divide(share, largest, out=np.zeros_like(share), where=largest > 0)
        return np.asarray(np.searchsorted(self.thresholds, relative, side="right"))


@dataclass(frozen=True, eq=False)
class Pair:
    """Draws of two distributions over the units of a grid.

    Attributes
    ----------
    grid : Grid
    a, b : float64 arrays (draws or 1, units)
        Shares, each row sums to 1.
    levels_a, levels_b : int64 arrays of those shapes
        How many of the grid's thresholds each unit passes.
    """

    grid: Grid
    a: np.ndarray
    b: np.ndarray
    levels_a: np.ndarray
    levels_b: np.ndarray

    @cached_property
    def areas(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Units that pass each threshold in a, in b, in both and in either.

        Each int64, shape (draws or 1, thresholds).
        """
        both = np.minimum(self.levels_a, self.levels_b)
        either = np.maximum(self.levels_a, self.levels_b)
        n = len(self.grid.thresholds)
        found = [passing(x, n) for x in (self.levels_a, self.levels_b, both, either)]
        return found[0], found[1], found[2], found[3]


def passing(levels: np.ndarray, n: int) -> np.ndarray:
    """How many units pass each of `n` thresholds, from how many each unit passes."""
    rows = np.arange(len(levels))[:, None] * (n + 1)
    counts = np.bincount((levels + rows).ravel(), minlength=len(levels) * (n + 1))
    counts = counts.reshape(len(levels), n + 1)
    return np.asarray(counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:])


def make_grid(a: ImportanceMap, b: ImportanceMap, thresholds: np.ndarray, default: int) -> Grid:
    """The units that either map reaches."""
    either = support(a) | support(b)
    edges = bounding_box(either)
    assert edges is not None  # both maps were checked to have mass
    box = tuple(slice(*e) for e in edges)
    inside = either[box]
    coordinates = np.argwhere(inside).T + np.array([[start] for start, _ in edges], dtype=float)
    return Grid(box, inside, coordinates, thresholds, default)


def make_pair(grid: Grid, a: ImportanceMap, b: ImportanceMap) -> Pair:
    """The two maps themselves: one draw. Fields are those of `ImportanceMap.erf`, exactly."""
    shares = [grid.take(_floored(imp))[None] for imp in (a, b)]
    levels = [
        np.sum([grid.take(imp.erf(float(t)).mask) for t in grid.thresholds], axis=0)[None]
        for imp in (a, b)
    ]
    return Pair(grid, shares[0], shares[1], levels[0], levels[1])


def support(imp: ImportanceMap) -> np.ndarray:
    """Where a map is not zero, bool, of its shape."""
    return imp.trf.mask


def _floored(imp: ImportanceMap) -> np.ndarray:
    """Shares, none of them zero where there is a path: counts may differ by any factor."""
    return np.where(support(imp), np.maximum(imp.share, TINY), 0.0)


def check_map(name: str, imp: object, shape: tuple[int, ...] | None = None) -> None:
    """Refuse what cannot be read as a distribution, or not on a grid of that shape.

    Raises
    ------
    InputError
        If it is no map, has another shape, negative or undefined values, or no mass.
    """
    if not isinstance(imp, ImportanceMap):
        raise InputError(f"{name}: got {imp!r}, wanted an ImportanceMap (see erfgraph.importance)")
    if shape is not None and imp.shape != shape:
        raise InputError(
            f"a, b: got maps of shape {shape} and {imp.shape}, wanted two of one shape"
        )
    if not imp.exact:
        values = imp.counts.array()
        if not np.isfinite(values).all():
            raise InputError(f"{name}: has importances that are no finite numbers")
        if (values < 0).any():
            raise InputError(
                f"{name}: has negative importances ({imp.measure}), wanted a measure that is "
                "never negative: shares of the total mean nothing else"
            )
    if not imp.total:
        raise InputError(f"{name}: all importances are zero, so there are no shares to compare")
