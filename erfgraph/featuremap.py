"""`FeatureMap` and its parts, and what users may call a shape or a unit of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erfgraph import params
from erfgraph.channels import Channels, Mix
from erfgraph.display import Shown
from erfgraph.errors import InputError
from erfgraph.layers import Terms
from erfgraph.params import Shape

LARGEST_AXIS = 1 << 31  # positions of one axis; products of two stay exact in int64


@dataclass(frozen=True, slots=True)
class Pass:
    """An elementwise function that numbers pass through on their way: it makes no edge.

    Attributes
    ----------
    kind : str
        A row of `erfgraph.elementwise.KINDS`: an activation, a norm, a scale.
    value : float, optional
        Its parameter: a slope, the gain of a norm, the factor of a scale.
    of : str
        Key of what the layer returned; two passes are equal whatever it is.
    """

    kind: str
    value: float | None = None
    of: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Part:
    """A share of a link in which positions and channels are joined independently."""

    terms: Terms
    mix: Mix


@dataclass(frozen=True, slots=True)
class Link:
    """What one feature map reads of another.

    Attributes
    ----------
    src : int
        Index of the feature map that is read.
    terms : tuple of tuple of AxisMap
        The edges between units, channels collapsed: a sum of Kronecker products of axis maps.
    parts : tuple of Part
        The same with channels told apart; one part, but for layers that trade channels for
        positions (pixel shuffle).
    passed : tuple of Pass
        What the numbers of the map pass through before they are read, in order.
    """

    src: int
    terms: Terms
    parts: tuple[Part, ...] = field(repr=False)
    passed: tuple[Pass, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap(Shown):
    """One tensor of a network; its units are its spatial positions.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Spatial shape: 1, 2 or 3 axes.
    channels : int
    index : int
        Position among the network's feature maps; the input is 0, sources come before.
    op : str
        Name of the `Network` method that made it; ``"input"`` for the input.
    params : mapping
        The parameters that the method was given, without those at their defaults.
    links : tuple of Link
        What it reads.
    view : range or tuple of int, optional
        Where this is no map of its own but some channels of the map at `index` (a split, a
        channel shuffle): which ones, in order.
    passed : tuple of Pass
        Where this is the map at `index` after elementwise functions that only measures of
        weights look at (`Network.identity` with a kind): which ones, in order.
    key : str
        The name under which the network finds exactly this; its `name`, but where `passed`
        sets it apart from the map of that name.
    """

    name: str
    shape: Shape
    channels: int
    index: int
    op: str = "input"
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    links: tuple[Link, ...] = field(default=(), repr=False)
    view: Channels | None = field(default=None, repr=False)
    passed: tuple[Pass, ...] = field(default=(), repr=False)
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer call as it was made, enough to make it again."""

    op: str
    name: str | None  # None where the caller gave none
    inputs: tuple[str, ...]
    params: Mapping[str, Any]  # only those that differ from the method's defaults


def input_shape(shape: Any) -> Shape:
    """Check a spatial shape: one to three positive integers.

    Examples
    --------
    >>> input_shape([224, 224])
    (224, 224)
    """
    values = tuple(shape) if isinstance(shape, list | tuple | np.ndarray) else (shape,)
    if not 1 <= len(values) <= 3 or not all(
        params.is_int(v) and 1 <= v <= LARGEST_AXIS for v in values
    ):
        raise InputError(f"input shape: got {shape!r}, wanted 1 to 3 positive integers")
    return tuple(int(v) for v in values)


def unit_of(rated: FeatureMap, unit: Any = None) -> Shape:
    """A unit of a feature map from what the user gave; the centre by default.

    Raises
    ------
    InputError
        If it is no position of the map.
    """
    if unit is None:
        return tuple(n // 2 for n in rated.shape)
    values = tuple(unit) if isinstance(unit, list | tuple | np.ndarray) else (unit,)
    if len(values) != len(rated.shape) or not all(params.is_int(v) for v in values):
        raise InputError(
            f"unit: got {unit!r}, wanted {len(rated.shape)} integers for {rated.name!r} "
            f"of shape {rated.shape}"
        )
    if not all(-n <= v < n for v, n in zip(values, rated.shape, strict=True)):
        raise InputError(
            f"unit: {tuple(map(int, values))} lies outside {rated.name!r} of shape {rated.shape}"
        )
    return tuple(int(v) % n for v, n in zip(values, rated.shape, strict=True))
