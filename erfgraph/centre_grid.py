"""`centres`: where the fields of a feature map's units are centred, and what falls between.

Shallow maps have dense centres, deep ones sparse; the denser the grid, the likelier an object
has a centre inside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from erfgraph import memory
from erfgraph.arithmetic import AxisField, ReceptiveField, receptive_field, receptive_fields
from erfgraph.display import Shown
from erfgraph.errors import InputError, unknown_name
from erfgraph.network import FeatureMap, Network
from erfgraph.params import Shape, is_int

POSITIONS = ("pixels", "continuous")
Sizes = int | float | Fraction | Sequence[int | float | Fraction]


@dataclass(frozen=True, eq=False)
class Centres(Shown):
    """The centres of the theoretical fields of all units of one feature map.

    Centres form a grid, one row of coordinates per axis. Coordinates are those of the input,
    pixel centres at whole numbers; padding counts as positions, so a centre may lie outside
    the image. A centre between two pixels counts to the later one, so that every centre lies
    in exactly one pixel.

    Attributes
    ----------
    layer : str
    shape : tuple of int
        Spatial shape of the feature map: units per axis.
    input_shape : tuple of int
    network : str or None
    size : tuple of int
        Positions of the largest field per axis.
    spacing : tuple of int or Fraction
        Input positions from one centre to the next, the map's cumulative stride.
    axes : tuple of float64 arrays, one per axis
        Coordinate of every unit's centre, exact (a multiple of one half), read-only; NaN for
        a unit that sees nothing.

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.centres(eg.load("resnet50"), "layer4")
    >>> found.axes[0].tolist()
    [0.0, 32.0, 64.0, 96.0, 128.0, 160.0, 192.0]
    >>> found.spacing, found.inside
    ((32, 32), 49)
    """

    layer: str
    shape: Shape
    input_shape: Shape
    network: str | None
    size: tuple[int, ...]
    spacing: tuple[int | Fraction, ...]
    axes: tuple[np.ndarray, ...] = field(repr=False)

    def grid(self) -> np.ndarray:
        """The centre of every unit.

        Returns
        -------
        float64 array, shape ``(*shape, axes)``

        Raises
        ------
        SizeError
            If it does not fit into memory.
        """
        memory.require(16 * len(self.shape) * math.prod(self.shape), "this grid of centres")
        return np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1)

    @cached_property
    def _pixels(self) -> tuple[np.ndarray, ...]:
        """Per axis the pixel of every centre that lies in the image, ascending."""
        found = []
        for axis, n in zip(self.axes, self.input_shape, strict=True):
            pixels = np.floor(axis[~np.isnan(axis)] + 0.5).astype(np.int64)
            found.append(np.sort(pixels[(pixels >= 0) & (pixels < n)]))
        return tuple(found)

    @property
    def inside(self) -> int:
        """How many units have their centre in the image."""
        return math.prod(len(pixels) for pixels in self._pixels)

    @cached_property
    def places(self) -> int:
        """At how many places in the image there are centres: coinciding ones count once."""
        return math.prod(len(places) for places in self._places())

    @property
    def density(self) -> float:
        """Places with a centre per pixel of the image."""
        return self.places / math.prod(self.input_shape)

    def _places(self) -> list[np.ndarray]:
        """Per axis twice the coordinate of every different centre in the image, ascending."""
        found = []
        for axis, n in zip(self.axes, self.input_shape, strict=True):
            twice = (2 * axis[~np.isnan(axis)]).astype(np.int64)
            found.append(np.unique(twice[(twice >= -1) & (twice < 2 * n - 1)]))
        return found

    def axis_chances(self, object_size: Sizes, positions: str = "pixels") -> tuple[Fraction, ...]:
        """Per axis, the exact chance that an object's extent holds at least one centre.

        Parameters
        ----------
        object_size, positions
            As for `hit_chance`.

        Returns
        -------
        tuple of Fraction

        Raises
        ------
        InputError, NameLookupError
            As `hit_chance` does.
        """
        if positions not in POSITIONS:
            raise unknown_name("positions", str(positions), POSITIONS)
        whole = positions == "pixels"
        sizes = _sizes(object_size, self.input_shape, whole)
        rows = [2 * pixels for pixels in self._pixels] if whole else self._places()
        return tuple(
            _chance(row, n, size, whole)
            for row, n, size in zip(rows, self.input_shape, sizes, strict=True)
        )

    def hit_chance(self, object_size: Sizes, positions: str = "pixels") -> float:
        """The chance that an object somewhere in the image contains at least one centre.

        The object is a box that lies wholly inside the image, every position equally likely.

        Parameters
        ----------
        object_size : number or sequence of numbers
            Its sides in pixels, one for all axes or one per axis.
        positions : {"pixels", "continuous"}, optional
            Whether the object covers whole pixels, or may lie anywhere in between and have
            any size.

        Returns
        -------
        float

        Raises
        ------
        InputError
            If a size is not positive, not whole where it has to be, or larger than the image.
        NameLookupError
            If `positions` is neither.

        Notes
        -----
        Centres form a grid and the object's position on one axis says nothing about the other,
        so the chance is a product over axes. On an axis of n pixels an object of h pixels has
        ``n - h + 1`` positions. Let ``c_1 < … < c_m`` be the pixels with a centre, ``c_0 = -1``
        and ``c_(m+1) = n``; the object misses them all where it lies between two neighbours::

            chance = 1 - sum_i max(0, c_(i+1) - c_i - h) / (n - h + 1)

        With continuous positions there are ``n - h`` of them and the image ends at -1/2 and
        ``n - 1/2``. Far from the border, a grid of spacing s > h is hit with chance h/s.

        Examples
        --------
        Every 32nd pixel has a centre, so an object of 16 pixels is missed about every other
        time on each axis:

        >>> import erfgraph as eg
        >>> found = eg.centres(eg.load("resnet50"), "layer4")
        >>> [round(found.hit_chance(side), 3) for side in (8, 16, 24, 32)]
        [0.051, 0.215, 0.52, 1.0]
        """
        return float(math.prod(self.axis_chances(object_size, positions)))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; None for the centre of a unit that sees nothing."""
        return {
            "network": self.network,
            "input_shape": list(self.input_shape),
            "layer": self.layer,
            "shape": list(self.shape),
            "size": list(self.size),
            "spacing": [int(s) if s == int(s) else float(s) for s in self.spacing],
            "centres": [
                [None if math.isnan(c) else c for c in axis.tolist()] for axis in self.axes
            ],
            "inside": self.inside,
            "places": self.places,
            "density": self.density,
        }


def _sizes(object_size: Sizes, shape: Shape, whole: bool) -> list[Fraction]:
    given = list(object_size) if isinstance(object_size, Sequence) else [object_size] * len(shape)
    wanted = f"{'whole numbers' if whole else 'numbers'} above 0, at most the image's {shape}"
    if len(given) != len(shape):
        raise InputError(f"object_size: got {object_size!r}, wanted {len(shape)} {wanted}")
    sizes = []
    for value, n in zip(given, shape, strict=True):
        try:
            # a decimal number means what it prints as
            size = Fraction(str(value)) if not isinstance(value, bool) else Fraction(0)
        except (ValueError, ZeroDivisionError):  # no number, or not finite
            size = Fraction(0)
        if not 0 < size <= n or (whole and not is_int(value)):
            raise InputError(f"object_size: got {object_size!r}, wanted {wanted}")
        sizes.append(size)
    return sizes


def _chance(twice: np.ndarray, n: int, size: Fraction, whole: bool) -> Fraction:
    """One axis: twice the coordinates of the centres in the image, ascending."""
    before, after = (-2, 2 * n) if whole else (-1, 2 * n - 1)
    total = n - size + (1 if whole else 0)
    if not total:  # the object fills the image: one position
        return Fraction(int(len(twice) > 0))
    gaps, times = np.unique(np.diff(twice, prepend=before, append=after), return_counts=True)
    missed = Fraction(0)
    for gap, count in zip(gaps.tolist(), times.tolist(), strict=True):
        missed += max(Fraction(0), Fraction(gap, 2) - size) * count
    return Fraction(1) - missed / total


def _coordinates(fields: AxisField, n: int) -> np.ndarray:
    """Centres of all units of one axis, float64, shape (n,)."""
    memory.require(8 * 8 * n, "these centres")
    units = np.arange(n)
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    for progression in fields:
        j, phase = np.divmod(units, len(progression.hulls))
        there = np.array([hull is not None for hull in progression.hulls])[phase]
        ends = np.array([hull or (0, 0) for hull in progression.hulls], dtype=float)[phase]
        moved = progression.advance * j.astype(float)
        np.minimum(low, ends[:, 0] + moved, out=low, where=there)
        np.maximum(high, ends[:, 1] + moved, out=high, where=there)
    seen = low <= high
    found = np.full(n, np.nan)
    found[seen] = (low[seen] + high[seen]) / 2
    found.flags.writeable = False
    return found


def _of_field(net: Network, rf: ReceptiveField) -> Centres:
    axes = tuple(_coordinates(f, n) for f, n in zip(rf.fields, rf.shape, strict=True))
    return Centres(rf.name, rf.shape, net.input.shape, net.name, rf.size, rf.stride, axes)


def centres(net: Network, layer: str | FeatureMap | None = None) -> Centres:
    """The centre of every unit's theoretical field.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Feature map of the units; default the last.

    Returns
    -------
    Centres

    Raises
    ------
    NameLookupError
        If there is no such layer.
    InputError
        If `net` is no network.
    SizeError
        As `receptive_field`.

    Notes
    -----
    The first unit's centre follows from kernels, strides and paddings::

        start_l = start_(l-1) + ((k_l - 1)/2 - p_l) * jump_(l-1),   jump_l = jump_(l-1) * s_l

    and unit u's is ``start_l + u * jump_l``. Where branches differ it is the middle of the
    hull of their fields, unit by unit.

    Examples
    --------
    >>> import erfgraph as eg
    >>> eg.centres(eg.load("conv3s2p1 conv3s2p1", 16)).axes[0].tolist()
    [0.0, 4.0, 8.0, 12.0]
    >>> eg.centres(eg.load("conv2 conv2s2", 9)).grid().tolist()
    [[1.0], [3.0], [5.0], [7.0]]
    """
    _check(net)
    return _of_field(net, receptive_field(net, layer))


def centre_grids(net: Network, layers: Sequence[str | FeatureMap] | None = None) -> list[Centres]:
    """The centres of several feature maps.

    Parameters
    ----------
    net : Network
    layers : sequence of str or FeatureMap, optional
        Default one of every spatial shape, the input's left out: of those with the largest
        field the last merge, or else the first.

    Returns
    -------
    list of Centres
        In the order of `layers`.

    Raises
    ------
    NameLookupError, InputError, SizeError
        As `centres` does; InputError also if `layers` is empty.

    Examples
    --------
    >>> import erfgraph as eg
    >>> [(c.layer, c.spacing[0], c.places) for c in centre_grids(eg.load("resnet18"))]
    [('conv1', 2, 12544), ('layer1.1', 4, 3136), ('layer2.1', 8, 784), ('layer3.1', 16, 196),
     ('layer4.1', 32, 49)]
    """
    _check(net)
    fields = receptive_fields(net)
    if layers is None:
        wanted = _stages(net, fields)
    else:
        wanted = [net._resolve(layer, "layer") for layer in layers]
    if not wanted:
        raise InputError("layers: got none, wanted at least one feature map")
    return [_of_field(net, fields[m.index]) for m in wanted]


def _stages(net: Network, fields: Sequence[ReceptiveField]) -> list[FeatureMap]:
    """One feature map of every spatial shape: what a stage of the network ends with."""
    chosen: dict[Shape, FeatureMap] = {}
    for m in net.maps[1:] or net.maps:
        best = chosen.setdefault(m.shape, m)
        gain = math.prod(fields[m.index].size) - math.prod(fields[best.index].size)
        if gain > 0 or (gain == 0 and m.op in ("add", "concat")):
            chosen[m.shape] = m
    return sorted(chosen.values(), key=lambda m: m.index)


def _check(net: Network) -> None:
    if not isinstance(net, Network):
        raise InputError(f"net: got {net!r}, wanted a Network (see erfgraph.load)")
