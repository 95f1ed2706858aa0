"""Receptive-field arithmetic: size, stride, padding and centres by closed recurrences.

Independent of the graph: from the layers' parameters alone, so that each proves the other.

Per axis, what output position u of a layer reads is a `Pattern`: positions come in periods,
and position ``period*j + phase`` reads a hull that starts ``advance*j`` further. A convolution
has period 1 and advance ``stride``; a transposed one period ``stride`` and advance 1. Patterns
compose in exact integers, so padding counts as positions, strides may be fractions, and the
recurrence of Araujo, Norris and Sim (Distill 2019) is the case of period 1::

    size    r = 1 + sum_l (k_l - 1) * prod_{i<l} s_i
    stride  S = prod_l s_l
    padding P = sum_l p_l * prod_{i<l} s_i
    start   -P + (r - 1)/2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from erfgraph.display import Shown
from erfgraph.errors import SizeError
from erfgraph.network import FeatureMap, Network, unit_of
from erfgraph.params import Shape
from erfgraph.patterns import Hull, Pattern, patterns

LONGEST_PERIOD = 1 << 14


# --- fields of one axis ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progression:
    """Fields on one axis: unit ``period*j + phase`` sees ``advance*j + hull of the phase``.

    Positions are those of the input, padding counted, both ends inclusive.
    """

    advance: int
    hulls: tuple[Hull | None, ...]

    @property
    def stride(self) -> Fraction:
        """Input positions from one unit's field to the next one's, on average."""
        return Fraction(self.advance, len(self.hulls))

    def hull(self, unit: int) -> Hull | None:
        """The field of a unit; None if it sees nothing."""
        j, phase = divmod(unit, len(self.hulls))
        found = self.hulls[phase]
        return found and (found[0] + self.advance * j, found[1] + self.advance * j)


AxisField = tuple[Progression, ...]  # the hull of several where branches differ in stride
INPUT: AxisField = (Progression(1, ((0, 0),)),)


def joined(hulls: Sequence[Hull | None]) -> Hull | None:
    """The smallest hull that holds all of several."""
    there = [h for h in hulls if h is not None]
    return (min(h[0] for h in there), max(h[1] for h in there)) if there else None


def hull_of(fields: AxisField, unit: int) -> Hull | None:
    """The field of a unit on one axis."""
    return joined([field.hull(unit) for field in fields])


def through(pattern: Pattern, field: Progression) -> Progression:
    """The fields of a layer's output from those of what it reads."""
    period = len(pattern.phases)
    if pattern.advance:
        period *= len(field.hulls) // math.gcd(len(field.hulls), pattern.advance)
    if period > LONGEST_PERIOD:
        raise SizeError(f"fields repeat only every {period} units; at most {LONGEST_PERIOD}")
    hulls = []
    for unit in range(period):
        j, phase = divmod(unit, len(pattern.phases))
        read = pattern.phases[phase]
        shift = pattern.advance * j
        hulls.append(
            None
            if read is None
            else _span(field, range(read[0] + shift, read[1] + shift + 1, pattern.step))
        )
    moved = Fraction(pattern.advance * period, len(pattern.phases)) * field.stride
    return _shortest(Progression(int(moved), tuple(hulls)))


def _span(field: Progression, units: range) -> Hull | None:
    """The hull of the fields of evenly spaced units."""
    period = len(field.hulls)
    if len(units) > 2 * period:
        # fields move evenly, so the outermost lie in the first and the last period
        return joined([field.hull(u) for u in (*units[:period], *units[-period:])])
    return joined([field.hull(u) for u in units])


def _shortest(field: Progression) -> Progression:
    """The same fields with the shortest period, so that equal fields compare equal."""
    n = len(field.hulls)
    for period in range(1, n // 2 + 1):
        if n % period == 0 and field.advance * period % n == 0:
            step = field.advance * period // n
            short = Progression(step, field.hulls[:period])
            if all(short.hull(u) == field.hull(u) for u in range(n)):
                return short
    return field


def union(fields: Sequence[AxisField]) -> AxisField:
    """The fields of a merge: per unit the hull over the branches."""
    by_stride: dict[Fraction, list[Progression]] = {}
    for progression in (p for field in fields for p in field):
        by_stride.setdefault(progression.stride, []).append(progression)
    merged = []
    for same in by_stride.values():
        period = math.lcm(*(len(p.hulls) for p in same))
        if period > LONGEST_PERIOD:
            raise SizeError(f"fields repeat only every {period} units; at most {LONGEST_PERIOD}")
        hulls = tuple(joined([p.hull(u) for p in same]) for u in range(period))
        advance = int(same[0].stride * period)
        merged.append(_shortest(Progression(advance, hulls)))
    return tuple(merged)


# --- results --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Misalignment:
    """Branches of a merge whose fields do not share stride and centre.

    Attributes
    ----------
    merge : str
        The feature map at which the branches meet.
    branches : tuple of str
        The feature maps that meet there.
    axis : int
    strides, starts : tuple
        Per branch: stride, and centre of the first unit's field.
    unit : int
        The first unit whose field has another centre on each branch; 0 where only strides
        differ.
    centres : tuple of float
        Per branch: centre of that unit's field.
    """

    merge: str
    branches: tuple[str, ...]
    axis: int
    strides: tuple[int | Fraction, ...]
    starts: tuple[float, ...]
    unit: int
    centres: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            "merge": self.merge,
            "branches": list(self.branches),
            "axis": self.axis,
            "strides": [_plain(s) for s in self.strides],
            "starts": [None if math.isnan(s) else s for s in self.starts],
            "unit": self.unit,
            "centres": [None if math.isnan(c) else c for c in self.centres],
        }


@dataclass(frozen=True, slots=True)
class ReceptiveField(Shown):
    """The theoretical receptive field of a feature map's units, padding counted as positions.

    Attributes
    ----------
    name : str
        The feature map.
    shape : tuple of int
        Its spatial shape.
    size : tuple of int
        Positions of the largest unit's field per axis (all units' are equal but behind
        transposed and upsampling layers and misaligned branches).
    stride : tuple of int or Fraction
        Input positions from one unit's field to the next one's.
    padding : tuple of int
        Positions of the first unit's field that lie before the input.
    start : tuple of float
        Centre of the first unit's field, pixel centres at whole numbers.
    aligned : tuple of bool
        Whether on every way to it all merged branches agree in stride and centre.
    misaligned : tuple of Misalignment
        Where they do not: every merge below that this map depends on.
    """

    name: str
    shape: Shape
    size: tuple[int, ...]
    stride: tuple[int | Fraction, ...]
    padding: tuple[int, ...]
    start: tuple[float, ...]
    aligned: tuple[bool, ...]
    misaligned: tuple[Misalignment, ...] = ()
    fields: tuple[AxisField, ...] = ()

    def field(self, unit: Any = None) -> tuple[Hull | None, ...]:
        """The field of one unit: per axis first and last position, both inclusive.

        Parameters
        ----------
        unit : int or sequence of int, optional
            Default the centre of the map.

        Returns
        -------
        tuple of (int, int) or None
            Positions may lie outside the input, as padding counts; None on an axis on which
            the unit sees nothing.
        """
        at = unit_of(FeatureMap(self.name, self.shape, 1, 0), unit)
        return tuple(hull_of(f, u) for f, u in zip(self.fields, at, strict=True))

    def centre(self, unit: Any = None) -> tuple[float, ...]:
        """Centre of one unit's field; NaN on an axis on which it sees nothing."""
        return tuple(_middle(h) for h in self.field(unit))

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "size": list(self.size),
            "stride": [_plain(s) for s in self.stride],
            "padding": list(self.padding),
            "start": [None if math.isnan(s) else s for s in self.start],
            "aligned": list(self.aligned),
            "misaligned": [m.to_dict() for m in self.misaligned],
        }


class ReceptiveFields(list[ReceptiveField], Shown):
    """Receptive fields in a list, which a notebook shows as a table."""


def _plain(value: int | Fraction) -> int | float:
    return int(value) if value == int(value) else float(value)


def _middle(hull: Hull | None) -> float:
    return math.nan if hull is None else (hull[0] + hull[1]) / 2


# --- computing ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fields:
    """Fields of one feature map, and the merges below it that are not aligned."""

    axes: tuple[AxisField, ...]
    misaligned: tuple[Misalignment, ...]


def receptive_fields(net: Network) -> list[ReceptiveField]:
    """The receptive field of every feature map, in the network's order.

    Parameters
    ----------
    net : Network

    Returns
    -------
    list of ReceptiveField
        The input first.

    Raises
    ------
    SizeError
        If non-integer resizing makes fields repeat only after very many units.

    Examples
    --------
    >>> import erfgraph as eg
    >>> rows = eg.receptive_fields(eg.load("conv3 max2 conv3"))
    >>> [(rf.name, rf.size[0], rf.stride[0]) for rf in rows]
    [('input', 1, 1), ('conv1', 3, 1), ('max_pool1', 4, 2), ('conv2', 8, 2)]
    """
    found: list[_Fields] = []
    for m in net.maps:
        found.append(_fields_of(net, m, found))
    rows = [_result(m, fields) for m, fields in zip(net.maps, found, strict=True)]
    return ReceptiveFields(rows)


def receptive_field(net: Network, layer: str | FeatureMap | None = None) -> ReceptiveField:
    """The receptive field of one feature map's units.

    Parameters
    ----------
    net : Network
    layer : str or FeatureMap, optional
        Default the last.

    Returns
    -------
    ReceptiveField

    Raises
    ------
    NameLookupError
        If there is no such layer.
    SizeError
        As `receptive_fields`.

    Notes
    -----
    Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks",
    Distill 2019, extended to fractional strides: padding counts as positions.

    Examples
    --------
    >>> import erfgraph as eg
    >>> rf = eg.receptive_field(eg.load("resnet50"), layer="layer3")
    >>> rf.size, rf.stride, rf.start, rf.aligned
    ((267, 267), (16, 16), (0.0, 0.0), (True, True))
    """
    wanted = net.output if layer is None else net._resolve(layer, "layer")
    found: list[_Fields] = []
    for m in net.maps[: wanted.index + 1]:
        found.append(_fields_of(net, m, found))
    return _result(wanted, found[wanted.index])


def _fields_of(net: Network, m: FeatureMap, known: Sequence[_Fields]) -> _Fields:
    ndim = len(m.shape)
    if not m.links:
        return _Fields((INPUT,) * ndim, ())
    branches = []
    for i, link in enumerate(m.links):
        source = net.maps[link.src]
        reads = patterns(m.op, m.params, source.shape, m.shape, i)
        branches.append(
            tuple(
                union([(through(reads[a], p),) for p in known[link.src].axes[a]])
                for a in range(ndim)
            )
        )
    axes = tuple(union([branch[a] for branch in branches]) for a in range(ndim))
    before = dict.fromkeys(x for link in m.links for x in known[link.src].misaligned)
    here = _disagreements(net, m, branches)
    return _Fields(axes, (*before, *here))


def _first_difference(branches: Sequence[AxisField]) -> int | None:
    """The first unit at which branches differ in centre, or 0 if only strides do; None: never."""
    strides = {p.stride for branch in branches for p in branch}
    period = math.lcm(*(len(p.hulls) for branch in branches for p in branch))
    if period > LONGEST_PERIOD:
        raise SizeError(f"fields repeat only every {period} units; at most {LONGEST_PERIOD}")
    for unit in range(period):
        hulls = [hull_of(branch, unit) for branch in branches]
        if len({h[0] + h[1] for h in hulls if h is not None}) > 1:
            return unit
    same = len(strides) == 1 or len({*branches}) == 1
    return None if same else 0


def _disagreements(
    net: Network, m: FeatureMap, branches: Sequence[tuple[AxisField, ...]]
) -> tuple[Misalignment, ...]:
    found = []
    for axis in range(len(m.shape)):
        fields = [branch[axis] for branch in branches]
        unit = _first_difference(fields)
        if unit is not None:
            found.append(
                Misalignment(
                    merge=m.name,
                    branches=tuple(net.maps[link.src].name for link in m.links),
                    axis=axis,
                    strides=tuple(_stride(f) for f in fields),
                    starts=tuple(_middle(hull_of(f, 0)) for f in fields),
                    unit=unit,
                    centres=tuple(_middle(hull_of(f, unit)) for f in fields),
                )
            )
    return tuple(found)


def _stride(fields: AxisField) -> int | Fraction:
    """The largest stride of the branches that make up a field."""
    stride = max((f.stride for f in fields), key=abs)
    return int(stride) if stride.denominator == 1 else stride


def _size(fields: AxisField, n: int) -> int:
    """Positions of the largest field of a unit of the map."""
    if len(fields) == 1:
        units: Sequence[int] = range(min(n, len(fields[0].hulls)))
    else:  # hulls over branches of different strides grow to both sides
        period = min(n, max(len(f.hulls) for f in fields))
        units = [*range(period), *range(n - period, n)]
    hulls = [hull_of(fields, u) for u in units]
    return max((h[1] - h[0] + 1 for h in hulls if h is not None), default=0)


def _result(m: FeatureMap, found: _Fields) -> ReceptiveField:
    first = [hull_of(fields, 0) for fields in found.axes]
    return ReceptiveField(
        name=m.name,
        shape=m.shape,
        size=tuple(_size(f, n) for f, n in zip(found.axes, m.shape, strict=True)),
        stride=tuple(_stride(f) for f in found.axes),
        padding=tuple(0 if h is None else -h[0] for h in first),
        start=tuple(_middle(h) for h in first),
        aligned=tuple(all(x.axis != a for x in found.misaligned) for a in range(len(m.shape))),
        misaligned=found.misaligned,
        fields=found.axes,
    )
