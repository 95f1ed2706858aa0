"""Concatenation along channels or positions, and padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erfgraph.channels import Channels
from erfgraph.featuremap import FeatureMap
from erfgraph.importers import layout, ragged
from erfgraph.importers.arrange import apart, free_axes, is_plain, settle
from erfgraph.importers.layout import (
    CHANNEL,
    REPEAT,
    Dim,
    channels,
    is_channel,
    is_spatial,
    whole,
)
from erfgraph.importers.merging import Met, meet
from erfgraph.importers.moves import take, take_channels, unsqueeze
from erfgraph.importers.tracer import Tracer, cannot
from erfgraph.importers.values import Constant, Pieces, Traced, in_a_row


def concat(t: Tracer, values: Sequence[Traced | Constant], d: int) -> Traced:
    """Tensors side by side along a dimension, of channels or of positions.

    Parts of one map's channels in another order are that map, shuffled; elsewhere each tensor
    is a branch. Constants add channels, or positions, that no path enters.

    Raises
    ------
    LayerError
        If the dimension is neither, or the tensors' positions differ.
    """
    ndim = values[0].ndim if isinstance(values[0], Traced) else len(values[0].shape)
    d %= ndim
    if any(isinstance(v, Pieces) for v in values):
        return _of_rows(t, values, d)
    kept = [t.real(v) if isinstance(v, Traced) else v for v in values if v.shape[d] > 0]
    reals = [v for v in kept if isinstance(v, Traced)]
    if len(kept) == 1:
        return reals[0]
    of_channels = all(a.axis in (CHANNEL, REPEAT) for v in reals for a in v.dims[d])
    if of_channels and not all(_is_missing_axis(v, d) for v in reals):
        return _of_channels(t, kept, d)
    if any(not is_plain(v, [d]) for v in reals):  # a pixel shuffle before it
        kept = [apart(t, v) if isinstance(v, Traced) else v for v in kept]
        reals = [v for v in kept if isinstance(v, Traced)]
    different = len({v.dims[d][0].axis for v in reals if v.dims[d]}) > 1  # rows, then columns
    if different or any(v.dims[d] and not is_plain(v, [d]) for v in reals):
        return ragged.row_of(in_a_row(d, kept))
    return _of_positions(t, kept, d)


def _is_missing_axis(v: Traced, d: int) -> bool:
    """Whether a dimension of (batch, channels, positions) is an axis of size 1."""
    n = len(v.map.shape)
    if v.ndim != n + 2 or d < 2 or v.dims[0] or v.dims[d]:
        return False
    return all(v.dims[a + 2] == whole(a, size) for a, size in enumerate(v.map.shape))


def _of_rows(t: Tracer, values: Sequence[Traced | Constant], d: int) -> Traced:
    """Rows of several maps: longer ones, or part by part."""
    row = next(v for v in values if isinstance(v, Pieces))
    if d == row.d:
        parts = [p for v in values for p in (v.parts if isinstance(v, Pieces) else (v,))]
        return ragged.row_of(in_a_row(d, parts))
    to, pairs = ragged.paired(t, values, take)
    made = []
    for pair in pairs:
        traced = any(isinstance(v, Traced) for v in pair)
        total = sum(v.shape[d] for v in pair)
        shape = (*pair[0].shape[:d], total, *pair[0].shape[d + 1 :])
        made.append(concat(t, pair, d) if traced else Constant(shape))
    return ragged.row_of(in_a_row(to, made))


def stack(t: Tracer, values: Sequence[Traced | Constant], d: int) -> Traced:
    """Tensors side by side along a new dimension."""
    first = next(v for v in values if isinstance(v, Traced))
    d %= first.ndim + 1
    if any(isinstance(v, Traced) and v.dims != first.dims for v in values):
        values = [apart(t, t.real(v)) if isinstance(v, Traced) else v for v in values]
    raised: list[Traced | Constant] = [
        unsqueeze(t, v, d) if isinstance(v, Traced) else Constant((*v.shape[:d], 1, *v.shape[d:]))
        for v in values
    ]
    return concat(t, raised, d)


def _of_channels(t: Tracer, values: Sequence[Traced | Constant], d: int) -> Traced:
    """Channel ``i*rest + j`` is index i of the dimension and channel j of the others."""
    met = meet(t, [v for v in values if isinstance(v, Traced)], front=d)
    rest = layout.size_of(tuple(a for dim in met.dims for a in dim if is_channel(a)))
    constant = sum(v.shape[d] for v in values if isinstance(v, Constant))
    maps = [_spread(t, x, met) for x in met.maps]
    made = None if constant else _shuffled(t, maps)
    if made is None:
        made = t.add("concat", *maps, constant=constant * rest or None)
    total = sum(v.shape[d] for v in values)
    dims: list[Dim] = list(met.dims)
    dims[d] = channels(total, rest)
    found = Traced(made, tuple(dims))
    if not constant:
        return found
    # the constants' channels stand behind all others: bring them to their places
    order: list[int] = []
    next_real, next_constant = 0, total - constant
    for v in values:
        n = v.shape[d]
        start = next_real if isinstance(v, Traced) else next_constant
        order += range(start, start + n)
        next_real += n if isinstance(v, Traced) else 0
        next_constant += n if isinstance(v, Constant) else 0
    return found if order == list(range(total)) else take_channels(t, found, d, order)


def _spread(t: Tracer, x: FeatureMap, met: Met) -> FeatureMap:
    if x.shape == met.shape:
        return x
    return t.add("upsample", x, between=True, size=list(met.shape))


def _shuffled(t: Tracer, maps: Sequence[FeatureMap]) -> FeatureMap | None:
    """The one map of which all parts are different channels, in their new order."""
    base = t.net.maps[maps[0].index]
    if any(x.index != base.index for x in maps):
        return None
    together = next(  # the functions that all of them have been through
        i
        for i in range(len(maps[0].passed), -1, -1)
        if all(x.passed[:i] == maps[0].passed[:i] for x in maps)
    )
    base = t.plain(maps[0], together, whole=True)
    order: Channels = tuple(
        c for x in maps for c in (x.view if x.view is not None else range(x.channels))
    )
    if len(set(order)) != len(order):
        return None
    return t.view(base, range(base.channels) if order == tuple(range(base.channels)) else order)


def _of_positions(t: Tracer, values: Sequence[Traced | Constant], d: int) -> Traced:
    """Each part padded to its place, and all added."""
    total = sum(v.shape[d] for v in values)
    start = 0
    parts = []
    for v in values:
        n = v.shape[d]
        if isinstance(v, Traced):
            sides = [(0, 0)] * v.ndim
            sides[d] = (start, total - start - n)
            parts.append(pad(t, v, sides))
        start += n
    if len(parts) == 1:
        return parts[0]
    met = meet(t, parts)
    return Traced(t.add("add", *met.maps), met.dims)


# --- padding ------------------------------------------------------------------------------


def pad(t: Tracer, v: Traced, sides: Sequence[tuple[int, int]], mode: str = "zeros") -> Traced:
    """Positions before and after dimensions; a negative number takes them away.

    Parameters
    ----------
    t : Tracer
    v : Traced
    sides : sequence of (before, after)
        One per dimension.
    mode : str, optional
        As for `Network.pad`.

    Raises
    ------
    LayerError
        If a dimension cannot grow so.
    """
    v = t.real(v)
    for d, (before, after) in enumerate(sides):
        if before < 0 or after < 0:
            v = take(t, v, d, range(max(-before, 0), v.shape[d] - max(-after, 0)))
    grown = [(max(before, 0), max(after, 0)) for before, after in sides]
    v = apart(t, v) if any(any(pair) for pair in grown[2:]) else v
    standard = v.ndim == len(v.map.shape) + 2 and not v.dims[0]
    for d, (before, after) in enumerate(grown):
        of_channels = all(is_channel(a) for a in v.dims[d]) if v.dims[d] else standard and d == 1
        of_tokens = mode == "zeros" and len({a.axis for a in v.dims[d] if is_spatial(a)}) > 1
        if (before or after) and (of_channels or of_tokens):
            if mode != "zeros":
                raise cannot(f"pad: channels in mode {mode!r}", v)
            shapes = [(*v.shape[:d], n, *v.shape[d + 1 :]) for n in (before, after)]
            v = concat(t, [Constant(shapes[0]), v, Constant(shapes[1])], d)
            grown[d] = (0, 0)
    spatial = [d for d, pair in enumerate(grown) if any(pair)]
    return _pad_positions(t, v, spatial, grown, mode) if spatial else v


def _pad_positions(
    t: Tracer, v: Traced, spatial: Sequence[int], grown: Sequence[tuple[int, int]], mode: str
) -> Traced:
    v = settle(t, v, None, spatial)
    axes = free_axes(v, spatial)
    pads = [(0, 0)] * len(v.map.shape)
    for d, axis in zip(spatial, axes, strict=True):
        if axis is None:
            raise cannot(f"pad: dimension {d} has no axis of its own", v)
        pads[axis] = grown[d]
    padding: Any = [list(pair) for pair in pads]
    if all(before == after for before, after in pads):
        padding = [before for before, _ in pads]
        padding = padding[0] if len(set(padding)) == 1 else padding
    made = t.add("pad", v.map, padding=padding, mode=mode)
    dims = list(v.dims)
    for d, axis in zip(spatial, axes, strict=True):
        assert axis is not None
        dims[d] = whole(axis, made.shape[axis])
    return Traced(made, tuple(dims))
