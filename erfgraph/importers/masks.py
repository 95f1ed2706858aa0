"""Masks of attention: windows that are cut where a shifted map wraps around.

A constant that is added to attention weights takes no part in what reads what, unless it is so
low that a softmax makes nothing of it. Swin's shifted windows are masked so: the windows at the
seam of a rolled map hold positions from both ends, which must not see each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from erfgraph.importers.layout import KEY, Dim, is_spatial, size_of
from erfgraph.importers.tracer import cannot
from erfgraph.importers.values import Constant, Traced

HIDDEN = -30.0  # what is lower has a share of less than 1e-13 after a softmax
MOST_PAIRS = 1 << 25


def masked(weights: Traced, mask: Constant, hides: bool = False) -> Traced:
    """Attention weights after a mask is added, or where a boolean one is false.

    Parameters
    ----------
    weights : Traced
    mask : Constant
        Of numbers, or of truth values (whether a pair is seen), broadcast to the weights.
    hides : bool, optional
        Whether truth values say which pairs are hidden instead.

    Returns
    -------
    Traced
        The same weights; `cuts` says where windows are cut.

    Raises
    ------
    LayerError
        If what is hidden is no cut of windows.
    """
    if mask.read is None or np.prod(mask.shape) > MOST_PAIRS:
        return weights
    numbers = np.asarray(mask.read())
    seen = numbers if numbers.dtype == bool else numbers > HIDDEN
    if hides:
        seen = ~numbers.astype(bool)
    if seen.all():
        return weights
    seen = seen.reshape((1,) * (weights.ndim - seen.ndim) + seen.shape)
    relations = _relations(weights, seen)
    cuts = tuple(_cuts(weights, relation) for relation in relations)
    return replace(weights, cuts=cuts)


def _relations(weights: Traced, seen: np.ndarray) -> list[np.ndarray]:
    """Per axis, which position sees which, as int8: 1 yes, -1 hidden, 0 never met.

    Refuses what is hidden for one position of the other axis and not for another.
    """
    shape = tuple(
        n if m == 1 or _positions(dim) else m
        for n, m, dim in zip(seen.shape, weights.shape, weights.dims, strict=True)
    )
    full = tuple(
        size_of(dim) if _positions(dim) else n for n, dim in zip(shape, weights.dims, strict=True)
    )
    seen = np.broadcast_to(seen, full)
    found = []
    joint = np.ones(full, dtype=bool)
    for axis, n in enumerate(weights.map.shape):
        query = _digits(weights.dims, full, axis, keys=False)
        key = _digits(weights.dims, full, axis, keys=True)
        relation = np.zeros((n, n), dtype=np.int8)
        query, key = np.broadcast_to(query, full), np.broadcast_to(key, full)
        relation[query[~seen], key[~seen]] = -1
        relation[query[seen], key[seen]] = 1
        joint &= relation[query, key] == 1
        found.append(relation)
    if not (joint == seen).all():
        raise cannot("a mask that does not hide positions axis by axis", weights)
    return found


def _positions(dim: Dim) -> bool:
    return any(is_spatial(a) for a in dim)


def _digits(dims: Sequence[Dim], shape: Sequence[int], axis: int, keys: bool) -> np.ndarray:
    """Position along an axis of the query or key that each element of the weights is for.

    Digits of the axis in batch dimensions, the window's, are those of both.
    """
    position = np.zeros((1,) * len(dims), dtype=np.int64)
    rows = len(dims) - 2
    for d, dim in enumerate(dims):
        if not _positions(dim):
            continue
        own = np.zeros(1, dtype=np.int64)
        for atom in dim:
            wanted = atom.axis == (KEY + axis if d > rows else axis)
            counts = wanted and (d < rows or (d > rows) == keys)
            step = np.arange(atom.size) * (atom.stride if counts else 0)
            own = (own[:, None] + step).ravel()
        index = [1] * len(dims)
        index[d] = shape[d]
        position = position + own.reshape(index)
    return position


def _cuts(weights: Traced, relation: np.ndarray) -> tuple[int, ...]:
    """Where neighbours of one window do not see each other, if that is all that is hidden."""
    n = len(relation)
    met = relation != 0
    cut = [p for p in range(1, n) if relation[p - 1, p] == -1]
    part = np.searchsorted(np.array(cut, dtype=np.int64), np.arange(n), side="right")
    together = part[:, None] == part[None, :]
    if not ((relation == 1) == (met & together)).all():
        raise cannot("a mask that is no cut of windows", weights)
    return tuple(cut)
