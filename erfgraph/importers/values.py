"""What travels through a model while it is imported: traced tensors, constants, and lateness.

A `Traced` is a tensor that depends on the input: each of its elements is an elementwise
function of units of one feature map, and its dimensions say which. Some steps of a model make
no feature map by themselves but only once a layer reads them: ``x + f(x)`` inside a written-out
GELU, the mean inside a written-out normalisation. Such a step is a `Late` value: if all that
becomes of it is a factor of ``x`` again, no map is ever made of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from erfgraph.errors import ErfgraphError
from erfgraph.featuremap import FeatureMap
from erfgraph.importers.layout import RAGGED, Atom, Dims, shape_of

Curve = Callable[..., Any]  # an elementwise function, of arrays


Numbers = Callable[[], Any]  # reads an array


@dataclass(frozen=True, slots=True, eq=False)
class Through:
    """An elementwise function that a tensor has been through.

    Attributes
    ----------
    kind : str, optional
        What it is to a network, a row of `erfgraph.elementwise.KINDS`; None for a piece of a
        written-out activation, and for what no measure knows.
    value : float, optional
        Its parameter.
    curve : callable, optional
        The function itself, where each element becomes the same function of itself alone.
    centres : bool
        Whether it takes a mean away.
    scales : callable, optional
        Gives what a trained norm or factor multiplies each channel of the map by.
    """

    kind: str | None = None
    value: float | None = None
    curve: Curve | None = None
    centres: bool = False
    scales: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Statistic:
    """What a mean is taken over, and the functions that it has been through since.

    Attributes
    ----------
    channels : bool
        Whether over channels; else over positions alone.
    passed : tuple of Through
    """

    channels: bool
    passed: tuple[Through, ...] = ()


@dataclass(eq=False)
class Late:
    """A value that becomes a feature map when a layer reads it.

    Attributes
    ----------
    make : callable
        Adds the layers, and returns the value as a traced tensor of the new map.
    statistic : bool
        Whether it is a mean, norm or the like of what it was computed from.
    mean : Statistic, optional
        Of a statistic that is a mean, a variance or a standard deviation.
    passed : tuple of Through, optional
        The value as an elementwise function of what it was computed from, if it is one.
    names : list of (str, tuple of Through)
        Names to give to the map, if it is ever made, or to what becomes of it.
    """

    make: Callable[[], Traced]
    statistic: bool = False
    mean: Statistic | None = None
    passed: tuple[Through, ...] | None = None
    names: list[tuple[str, tuple[Through, ...]]] = field(default_factory=list)
    made: Traced | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A tensor that depends on the input.

    Attributes
    ----------
    map : FeatureMap
        Its elements are elementwise functions of this map's units.
    dims : Dims
        What each of its dimensions holds of the map.
    late : tuple of Late
        What it was made of beyond the map, outermost last.
    passed : tuple of Through
        Elementwise functions of all that, in order; a layer reads the map through them.
    keys : FeatureMap, optional
        For attention weights: the map that is attended to; `map` is that of the queries.
    cuts : tuple of tuple of int
        For attention weights: per axis, positions that do not see the one before them.
    """

    map: FeatureMap
    dims: Dims
    late: tuple[Late, ...] = ()
    passed: tuple[Through, ...] = ()
    keys: FeatureMap | None = None
    cuts: tuple[tuple[int, ...], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return shape_of(self.dims)

    @property
    def ndim(self) -> int:
        """The number of its dimensions."""
        return len(self.dims)

    def with_dims(self, dims: Dims) -> Traced:
        """The same elements, arranged otherwise."""
        return replace(self, dims=dims)


@dataclass(frozen=True, slots=True, eq=False)
class Pieces(Traced):
    """Tensors of different maps in a row along one dimension, which no map could hold together.

    A class token before the tokens of a grid. `map` and `dims` are those of the largest, but
    for that dimension.

    Attributes
    ----------
    d : int
        The dimension.
    parts : tuple of Traced or Constant
    """

    d: int = 0
    parts: tuple[Traced | Constant, ...] = ()

    @property
    def largest(self) -> Traced:
        """The part of most positions."""
        traced = [v for v in self.parts if isinstance(v, Traced)]
        return max(traced, key=lambda v: math.prod(v.map.shape))


@dataclass(frozen=True, slots=True, eq=False)
class PieceWeights(Traced):
    """Attention weights from or to positions of several maps in a row."""

    queries: Traced | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor that does not depend on the input: a weight, a grid, a mask.

    Attributes
    ----------
    shape : tuple of int
    read : callable, optional
        Gives its elements as a NumPy array, where they are at hand.
    stored : callable, optional
        Gives them where that takes reading a file, which importing does not.
    """

    shape: tuple[int, ...]
    read: Numbers | None = None
    stored: Numbers | None = None


def in_a_row(d: int, parts: Sequence[Traced | Constant]) -> Traced | Constant:
    """Tensors in a row along a dimension; the tensor itself where there is only one."""
    traced = [v for v in parts if isinstance(v, Traced)]
    if len(parts) == 1:
        return parts[0]
    if not traced:
        total = sum(v.shape[d] for v in parts)
        return Constant((*parts[0].shape[:d], total, *parts[0].shape[d + 1 :]))
    largest = max(traced, key=lambda v: math.prod(v.shape))
    row = (Atom(RAGGED, sum(v.shape[d] for v in parts), 1),)
    dims = (*largest.dims[:d], row, *largest.dims[d + 1 :])
    return Pieces(largest.map, dims, d=d, parts=tuple(parts))


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """A result that no layer can represent: an error only if a feature map needs it.

    Biases that attention weights get, for one, are skewed and cut as no layer could.
    """

    shape: tuple[int, ...]
    error: ErfgraphError


@dataclass(frozen=True, slots=True)
class Stopped:
    """What comes after the place at which the caller asked to stop."""

    at: str
