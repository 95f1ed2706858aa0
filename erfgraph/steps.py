"""One axis of a push: the adjoint of an axis map between two windows, compiled and applied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from erfgraph import axes
from erfgraph.axes import AxisMap, Dense, Taps, Window

Index = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TapsStep:
    """Adjoint of `Taps` on a window: slices of the source that gather slices of the output."""

    axis: int
    length: int  # positions of the source window
    pairs: tuple[tuple[Index, Index], ...]  # (into the source window, from the output window)


@dataclass(frozen=True, slots=True)
class DenseStep:
    """Adjoint of `Dense`: every source position gets the sum over the output window."""

    axis: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class SparseStep:
    """Adjoint of `Sparse` on a window, as a matrix of shape (source, output)."""

    axis: int
    length: int
    matrix: Any


AxisStep = TapsStep | DenseStep | SparseStep


@lru_cache(maxsize=8192)
def axis_step(axis: AxisMap, i: int, ndim: int, out: Window, src: Window) -> AxisStep:
    """The adjoint of an axis map on axis i of `ndim`, from an output to a source window."""
    length = src[1] - src[0]
    if isinstance(axis, Dense):
        return DenseStep(i + 1, length)
    if isinstance(axis, Taps):
        before = (slice(None),) * (i + 1)
        pairs = tuple(
            (
                (*before, _slice(r.src - src[0], r.src_step, r.length)),
                (*before, _slice(r.out - out[0], r.out_step, r.length)),
            )
            for r in axes.clip(axis, out, src)
        )
        return TapsStep(i + 1, length, pairs)
    from scipy.sparse import csr_array

    first, stop = np.searchsorted(axis.outs, out)
    rows, cols = axis.srcs[first:stop] - src[0], axis.outs[first:stop] - out[0]
    shape = (length, out[1] - out[0])
    return SparseStep(i + 1, length, csr_array((axis.counts[first:stop], (rows, cols)), shape))


def _slice(start: int, step: int, count: int) -> slice:
    stop = start + (count - 1) * step + (1 if step > 0 else -1)
    return slice(start, stop if stop >= 0 else None, step)


def add_adjoint(step: AxisStep, values: np.ndarray, into: np.ndarray) -> None:
    """Add ``Hᵀ values`` along one axis into an array of the source window's shape."""
    if type(step) is TapsStep:
        for to, take in step.pairs:
            part = into[to]
            np.add(part, values[take], out=part)
    elif type(step) is DenseStep:
        if values.dtype == bool:
            into |= values.any(axis=step.axis, keepdims=True)
        else:
            into += values.sum(axis=step.axis, keepdims=True)
    else:
        assert isinstance(step, SparseStep)
        moved = np.moveaxis(values, step.axis, 0)
        flat = moved.reshape(moved.shape[0], -1)
        if values.dtype == bool:
            product = (step.matrix @ flat.astype(np.int64)) > 0
        else:
            product = step.matrix @ flat
        result = np.moveaxis(product.reshape(-1, *moved.shape[1:]), 0, step.axis)
        np.add(into, result, out=into)
