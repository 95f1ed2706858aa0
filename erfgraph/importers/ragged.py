"""Tensors of several maps in a row: a class token before the tokens of a grid.

Each operation is done to every part by itself; only attention and sums along the row bring
them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from erfgraph.importers import layout
from erfgraph.importers.layout import RAGGED, Dims, size_of
from erfgraph.importers.tracer import Tracer, cannot
from erfgraph.importers.values import Constant, Pieces, Traced, in_a_row


def _row(v: Traced, dims: Dims) -> int:
    """The dimension that is the whole row."""
    for d, dim in enumerate(dims):
        if any(a.axis == RAGGED for a in dim):
            if len(dim) > 1:
                break
            return d
    raise cannot("positions of different maps are mixed with others", v)


def row_of(found: Traced | Constant) -> Traced:
    """What is left of a row, if it depends on the input."""
    return found  # type: ignore[return-value]  # a constant goes on as one


def arranged(
    t: Tracer, v: Pieces, change: Callable[[Dims], Dims], one: Callable[..., Traced]
) -> Traced:
    """Every part with its dimensions changed."""
    dims = change(v.dims)
    if dims == v.dims:
        return v
    to = _row(v, dims)
    parts: list[Traced | Constant] = []
    for part in v.parts:
        if isinstance(part, Traced):
            parts.append(one(t, part, change))
        else:
            sizes = [size_of(dim) for dim in dims]
            sizes[to] = part.shape[v.d]
            parts.append(Constant(tuple(sizes)))
    return row_of(in_a_row(to, parts))


def reshaped(t: Tracer, v: Pieces, shape: Sequence[int], one: Callable[..., Traced]) -> Traced:
    """Every part under another shape, in which the row is still one dimension."""
    dims = layout.reshape(v.dims, shape)
    to = _row(v, dims)
    sizes = [size_of(dim) for dim in dims]
    parts: list[Traced | Constant] = []
    for part in v.parts:
        sizes[to] = part.shape[v.d]
        traced = isinstance(part, Traced)
        parts.append(one(t, part, list(sizes)) if traced else Constant(tuple(sizes)))
    return row_of(in_a_row(to, parts))


def taken(t: Tracer, v: Pieces, d: int, picked: range, one: Callable[..., Traced]) -> Traced:
    """Some positions of a dimension: parts of the row, or the same of every part."""
    parts: list[Traced | Constant] = []
    start = 0
    for part in v.parts:
        n = part.shape[d]
        own = picked
        if d == v.d:
            if picked.step != 1:
                raise cannot("positions of different maps are taken with a step", v)
            own = range(max(picked.start - start, 0), min(picked.stop - start, n))
            start += n
            if not own:
                continue
        sizes = (*part.shape[:d], len(own), *part.shape[d + 1 :])
        parts.append(one(t, part, d, own) if isinstance(part, Traced) else Constant(sizes))
    return row_of(in_a_row(v.d, parts))


def paired(
    t: Tracer, values: Sequence[Any], take: Callable[..., Traced]
) -> tuple[int, list[list[Any]]]:
    """Operands cut as the row among them is: the row's dimension, and operands part by part."""
    row = next(v for v in values if isinstance(v, Pieces))
    back = row.d - row.ndim  # counted from the end, as operands are aligned
    cut: list[list[Any]] = [[] for _ in row.parts]
    for v in values:
        start = 0
        for i, part in enumerate(row.parts):
            n = part.shape[row.d]
            if isinstance(v, Pieces) and len(v.parts) == len(row.parts):
                cut[i].append(v.parts[i])
            elif (
                not isinstance(v, Traced | Constant) or len(v.shape) < -back or v.shape[back] == 1
            ):
                cut[i].append(v)
            elif isinstance(v, Traced):
                cut[i].append(take(t, v, v.ndim + back, range(start, start + n)))
            else:
                at = len(v.shape) + back
                cut[i].append(Constant((*v.shape[:at], n, *v.shape[at + 1 :])))
            start += n
    return row.d, cut


def _along_row(v: Any, back: int) -> bool:
    """Whether an operand differs from position to position of the row."""
    return isinstance(v, Traced | Constant) and len(v.shape) >= -back and v.shape[back] > 1
