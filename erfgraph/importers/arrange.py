"""From a tensor to the feature map that a layer reads: axes in place, channels in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from erfgraph.errors import LayerError
from erfgraph.featuremap import FeatureMap
from erfgraph.importers.layout import (
    CHANNEL,
    REPEAT,
    Atom,
    Dim,
    Dims,
    channel_order,
    channels,
    is_channel,
    is_spatial,
    joined,
    row_major,
    size_of,
    whole,
)
from erfgraph.importers.tracer import Tracer, cannot, tidy
from erfgraph.importers.values import Pieces, Traced


@dataclass(frozen=True, slots=True)
class Arranged:
    """A feature map fit for a layer, and where the tensor's dimensions are in it.

    Attributes
    ----------
    map : FeatureMap
        Channels in the order (batch dimensions, channel dimension).
    axes : tuple of int or None
        The network's axis of each spatial dimension; None for one of size 1 beyond them.
    groups : int
        Channels that stand in batch dimensions: the layer treats each by itself.
    dims : Dims
        Of the tensor.
    channel : int or None
        The channel dimension.
    spatial : tuple of int
        The spatial dimensions.
    """

    map: FeatureMap
    axes: tuple[int | None, ...]
    groups: int
    dims: Dims
    channel: int | None
    spatial: tuple[int, ...]

    def result(self, made: FeatureMap) -> Traced:
        """The tensor that a layer made of it."""
        dims: list[Dim] = []
        for i, dim in enumerate(self.dims):
            if i == self.channel:
                dims.append(channels(made.channels // self.groups))
            elif i in self.spatial:
                axis = self.axes[self.spatial.index(i)]
                dims.append(() if axis is None else whole(axis, made.shape[axis]))
            else:
                dims.append(dim)
        return Traced(made, row_major(dims)[0])

    def per_axis(self, values: Sequence[Any], default: Any) -> Any:
        """Parameters of the spatial dimensions, as parameters of the network's axes."""
        found = [default] * len(self.map.shape)
        for axis, value in zip(self.axes, values, strict=True):
            if axis is not None:
                found[axis] = value
        return tidy(found)


def arrange(t: Tracer, v: Traced, channel: int | None, spatial: Sequence[int]) -> Arranged:
    """Bring a tensor into the form that a layer reads.

    Parameters
    ----------
    t : Tracer
    v : Traced
    channel : int or None
        Its channel dimension.
    spatial : sequence of int
        Its spatial dimensions. What is left is batch: channels in it are groups, axes in it
        are left alone.

    Returns
    -------
    Arranged

    Raises
    ------
    LayerError
        If positions are arranged as no feature map has them.
    """
    v = settle(t, t.real(v), channel, spatial)
    axes = tuple(_axis_of(v, d) for d in spatial)
    batch = [a for i, dim in enumerate(v.dims) if i not in (channel, *spatial) for a in dim]
    for atom in batch:
        if is_spatial(atom) and atom.size != v.map.shape[atom.axis]:
            raise cannot("a layer over windows of positions cannot be represented", v)
    groups = [a for a in batch if is_channel(a)]
    own = v.dims[channel] if channel is not None else ()
    order = channel_order([*groups, *own])
    filled = _fill_axes(v.map.shape, axes, batch, [v.dims[d] for d in spatial])
    count = math.prod(a.size for a in groups)
    return Arranged(t.view(v.map, order), filled, count, v.dims, channel, tuple(spatial))


def _axis_of(v: Traced, d: int) -> int | None:
    return v.dims[d][0].axis if v.dims[d] else None


def _fill_axes(
    shape: tuple[int, ...],
    axes: Sequence[int | None],
    batch: Sequence[Atom],
    dims: Sequence[Dim],
) -> tuple[int | None, ...]:
    """Give spatial dimensions of size 1 the axes of size 1 that are left, in order."""
    used = {a for a in axes if a is not None} | {a.axis for a in batch}
    free = [a for a, n in enumerate(shape) if a not in used and n == 1]
    missing = sum(a is None for a in axes)
    found: list[int | None] = []
    for position, axis in enumerate(axes):
        if axis is not None:
            found.append(axis)
        elif free and position in free:  # its own place, where that is free
            free.remove(position)
            found.append(position)
        else:
            # with fewer axes than dimensions, the last dimensions get them
            found.append(free.pop(0) if len(free) >= missing else None)
        missing -= axis is None
    return tuple(found)


def settle(t: Tracer, v: Traced, channel: int | None, spatial: Sequence[int]) -> Traced:
    """Make every spatial dimension one whole axis, and the channel dimension all channels."""
    if channel is not None and any(map(is_spatial, v.dims[channel])):
        v = _to_channels(t, v, channel)
    for d in spatial:
        if len({a.axis for a in v.dims[d] if is_spatial(a)}) > 1:
            raise cannot(f"dimension {d} holds positions of more than one axis", v)
    if any(is_channel(a) for d in spatial for a in v.dims[d]):
        v = _to_positions(t, v, spatial)
    if any(a.axis == REPEAT for d in spatial for a in v.dims[d]):
        v = _to_copies(t, v, spatial)
    for d in spatial:
        if v.dims[d] and v.dims[d] != whole(a := v.dims[d][0].axis, v.map.shape[a]):
            raise cannot(f"dimension {d} holds only some of the positions of its axis", v)
    return v


def _to_channels(t: Tracer, v: Traced, channel: int) -> Traced:
    """Inner digits of positions that stand among the channels: a pixel unshuffle."""
    ndim = len(v.map.shape)
    block = [math.prod(a.size for a in v.dims[channel] if a.axis == axis) for axis in range(ndim)]
    places = [math.prod(block[axis + 1 :]) for axis in range(ndim)]
    total = math.prod(block)

    def moved(atom: Atom, inside: bool) -> Atom:
        axis, size, stride = atom
        if axis == CHANNEL:
            return Atom(axis, size, stride * total)
        if axis < 0:
            return atom
        inner = size * stride <= block[axis]
        if inner != inside or (not inner and stride % block[axis]):
            raise cannot("outer positions stand among channels, which cannot be represented", v)
        if inner:
            return Atom(CHANNEL, size, stride * places[axis])
        return Atom(axis, size, stride // block[axis])

    dims = tuple(
        joined(tuple(moved(a, i == channel) for a in dim)) for i, dim in enumerate(v.dims)
    )
    made = t.once("pixel_unshuffle", v.map, block=tidy(block))
    return Traced(made, dims)


def _to_positions(t: Tracer, v: Traced, spatial: Sequence[int]) -> Traced:
    """Channels that stand in spatial dimensions: a pixel shuffle."""
    axes = free_axes(v, spatial)
    block = [1] * len(v.map.shape)
    inner: dict[int, list[Atom]] = {}
    for d, axis in zip(spatial, axes, strict=True):
        own = [a for a in v.dims[d] if is_channel(a)]
        if own:
            if any(is_spatial(a) for a in v.dims[d][1:]) or axis is None:
                raise cannot("channels turn to outer positions, which cannot be represented", v)
            block[axis] = size_of(tuple(own))
            inner[axis] = own
    rest = [a for i, dim in enumerate(v.dims) if i not in spatial for a in dim if is_channel(a)]
    order = channel_order([*rest, *(a for axis in sorted(inner) for a in inner[axis])])
    made = t.once("pixel_shuffle", t.view(v.map, order), block=tidy(block))
    dims = list(v.dims)
    for d, axis in zip(spatial, axes, strict=True):
        if axis in inner:
            dims[d] = whole(axis, made.shape[axis])
    return Traced(made, row_major(dims)[0])


def _to_copies(t: Tracer, v: Traced, spatial: Sequence[int]) -> Traced:
    """Copies that stand in spatial dimensions: each position becomes several."""
    axes = free_axes(v, spatial)
    dims = list(v.dims)
    size = list(v.map.shape)
    for d, axis in zip(spatial, axes, strict=True):
        if any(a.axis == REPEAT for a in v.dims[d]):
            if axis is None or (v.dims[d][0].axis == REPEAT and len(v.dims[d]) > 1):
                raise cannot("positions are tiled, which cannot be represented", v)
            size[axis] = size_of(v.dims[d])
            dims[d] = whole(axis, size[axis])
    return Traced(t.add("upsample", v.map, between=True, size=tidy(size)), tuple(dims))


def free_axes(v: Traced, spatial: Sequence[int]) -> tuple[int | None, ...]:
    """The axis of each spatial dimension; one of size 1 for those that hold none yet."""
    axes = [next((a.axis for a in v.dims[d] if is_spatial(a)), None) for d in spatial]
    others = [a for i, dim in enumerate(v.dims) if i not in spatial for a in dim]
    return _fill_axes(v.map.shape, axes, others, [v.dims[d] for d in spatial])


def laid_out(t: Tracer, v: Traced, heads: bool = True) -> Traced:
    """What a model or module returns as (batch, channels, positions), as a map laid out so.

    A pixel shuffle at the end, say, of which no layer has made positions yet. Other tensors
    stay as they are; so do those with a dimension of channels behind the first, as heads or
    channels last are, unless it is known that there are no `heads`.

    Raises
    ------
    LayerError
        If no map can hold its positions.
    """
    n = len(v.map.shape)
    if v.late or v.keys is not None or isinstance(v, Pieces) or v.ndim != n + 2 or v.dims[0]:
        return v
    spatial = range(2, n + 2)
    if heads and any(v.dims[d] and all(map(is_channel, v.dims[d])) for d in spatial):
        return v
    held = [a.axis for d in spatial for a in v.dims[d][:1] if is_spatial(a)]
    if len(set(held)) < len(held) or any(
        size > 1 and axis not in held for axis, size in enumerate(v.map.shape)
    ):
        return v
    if any(map(is_spatial, v.dims[1])) or not is_plain(v, spatial):
        v = settle(t, t.real(v), 1, spatial)
    if any(a.axis == REPEAT for a in v.dims[1]):
        v = t.real(v)
        order = channel_order(v.dims[1])
        dims = (v.dims[0], channels(len(order)), *v.dims[2:])
        return Traced(t.view(v.map, order), dims)
    return v


def apart(t: Tracer, v: Traced) -> Traced:
    """The same tensor, `laid_out` where it can be."""
    try:
        return laid_out(t, v)
    except LayerError:
        return v


def is_plain(v: Traced, spatial: Sequence[int]) -> bool:
    """Whether each of some dimensions is one axis, or of size 1."""
    for dim in (v.dims[d] for d in spatial):
        if dim and (dim[0].axis < 0 or dim != whole(dim[0].axis, v.map.shape[dim[0].axis])):
            return False
    return True


def expanded(v: Traced, shape: Sequence[int]) -> Traced:
    """The tensor with dimensions of size 1 repeated to a shape, as broadcasting has it."""
    dims = ((),) * (len(shape) - v.ndim) + v.dims
    made = []
    for dim, n in zip(dims, shape, strict=True):
        if n in (-1, size_of(dim)):
            made.append(dim)
        elif dim:
            raise LayerError(f"expand: {v.shape} cannot be broadcast to {tuple(shape)}")
        else:
            made.append((Atom(REPEAT, n, 0),))
    return replace(v, dims=tuple(made))
