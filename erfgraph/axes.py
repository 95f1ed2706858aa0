"""Axis maps: which positions of one input axis each position of one output axis reads.

A layer joins units axis by axis, so a layer *is* one axis map per axis, and its edges are
their Kronecker product. Three kinds are enough:

- `Taps`: a union of arithmetic progressions, one or more per kernel tap. Everything regular:
  convolution, pooling, transposed convolution, padding, cropping, slicing, rolling.
- `Dense`: every output position reads every input position. Global pooling, linear, attention.
- `Sparse`: any small sparse matrix. Adaptive pooling, interpolation, attention in windows.

Each is a frozen value that stands for a matrix of multiplicities ``H`` of shape
``(n_out, n_in)``. The verbs are functions: `matrix`, `transpose`, `hull`, `row_sums`.
The matrix-free product lives in `erfgraph.plan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from erfgraph.errors import SizeError

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Run(NamedTuple):
    """Output ``out + j*out_step`` reads input ``src + j*src_step``, for ``0 <= j < length``.

    The output positions lie inside the map. The input positions may lie outside it: they are
    taps that land on zero padding, and give no edge.
    """

    out: int
    out_step: int
    src: int
    src_step: int
    length: int


@dataclass(frozen=True, slots=True)
class Taps:
    """A union of arithmetic progressions; a unit that two runs join is read twice."""

    n_in: int
    n_out: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Dense:
    """Every output position reads every input position once."""

    n_in: int
    n_out: int


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Any multiplicities or weights, as triplets sorted by output, then input, none twice.

    Equal only to itself, so that caches need not hash arrays: makers return the same object
    for the same geometry.
    """

    n_in: int
    n_out: int
    outs: np.ndarray
    srcs: np.ndarray
    counts: np.ndarray


AxisMap = Taps | Dense | Sparse
Window = tuple[int, int]  # [start, stop) along one axis

MOST_ENTRIES = 1 << 24  # of a table with one entry per position or edge
COUNTED = 1 << 22  # positions of all runs up to which sums and edges are counted, not bounded


# --- makers -------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def identity(n: int) -> Taps:
    """Each output position reads the input position of the same index."""
    return Taps(n, n, (Run(0, 1, 0, 1, n),))


def is_identity(axis: AxisMap) -> bool:
    """Whether the axis map copies every position to itself."""
    return (
        type(axis) is Taps
        and axis.n_in == axis.n_out
        and axis.runs == (Run(0, 1, 0, 1, axis.n_in),)
    )


@lru_cache(maxsize=4096)
def strided_taps(
    n_in: int, n_out: int, taps: tuple[int, ...], stride: int, pad: int, dilation: int
) -> Taps:
    """Output y reads ``y*stride - pad + t*dilation`` for each kernel tap t, zero-padded."""
    runs = tuple(Run(0, 1, t * dilation - pad, stride, n_out) for t in taps)
    return Taps(n_in, n_out, runs)


@lru_cache(maxsize=4096)
def transposed_taps(
    n_in: int, n_out: int, taps: tuple[int, ...], stride: int, pad: int, dilation: int
) -> Taps:
    """Input x is spread to ``x*stride - pad + t*dilation``: the reverse of `strided_taps`."""
    runs = []
    for t in taps:
        shift = t * dilation - pad  # output = input * stride + shift
        first = shift % stride  # the first output position that this tap reaches
        if first < n_out:
            count = (n_out - 1 - first) // stride + 1
            runs.append(Run(first, stride, (first - shift) // stride, 1, count))
    return Taps(n_in, n_out, tuple(runs))


def check_entries(n: int) -> None:
    """Refuse an irregular axis map before its arrays are made.

    Raises
    ------
    SizeError
        If it would hold too many entries; regular layers hold none.
    """
    if n > MOST_ENTRIES:
        raise SizeError(
            f"an irregular layer would need a table of {n} entries on one axis, "
            f"at most {MOST_ENTRIES}"
        )


def gathered(n_in: int, sources: Sequence[np.ndarray]) -> Taps:
    """Taps from explicit source positions, one array of shape (n_out,) a tap."""
    runs = [run for source in sources for run in _progressions(source)]
    return Taps(n_in, len(sources[0]), tuple(runs))


def _progressions(source: np.ndarray) -> list[Run]:
    """Split source positions into the longest progressions whose step is not zero."""
    n = len(source)
    steps = np.diff(source)
    # where a new step begins; a step of zero (replicated border) would add several outputs
    # into one input, which a slice cannot do, so equal neighbours get a run of their own each
    turns = np.flatnonzero(np.diff(steps)) + 1
    runs = []
    start = 0
    while start < n:
        step = int(steps[start]) if start + 1 < n else 0
        if step == 0:
            stop, step = start + 1, 1
        else:
            after = turns[np.searchsorted(turns, start, side="right") :]
            stop = int(after[0]) + 1 if after.size else n
        runs.append(Run(start, 1, int(source[start]), step, stop - start))
        start = stop
    return runs


def from_pairs(n_in: int, n_out: int, outs: np.ndarray, srcs: np.ndarray) -> Sparse:
    """The axis map in which output ``outs[k]`` reads input ``srcs[k]``, once for each k."""
    keys, counts = np.unique(outs.astype(np.int64) * n_in + srcs, return_counts=True)
    return Sparse(n_in, n_out, keys // n_in, keys % n_in, counts.astype(np.int64))


# --- verbs --------------------------------------------------------------------------------


def clip(
    axis: Taps, out_window: Window | None = None, src_window: Window | None = None
) -> list[Run]:
    """The runs that remain inside an output window and an input window (default: the maps)."""
    out_lo, out_hi = out_window or (0, axis.n_out)
    src_lo, src_hi = src_window or (0, axis.n_in)
    kept = []
    for out, out_step, src, src_step, count in axis.runs:
        first, stop = _inside(out, out_step, count, out_lo, out_hi)
        first2, stop2 = _inside(src, src_step, count, src_lo, src_hi)
        first, stop = max(first, first2), min(stop, stop2)
        if first < stop:
            start, source = out + first * out_step, src + first * src_step
            kept.append(Run(start, out_step, source, src_step, stop - first))
    return kept


def _inside(start: int, step: int, count: int, lo: int, hi: int) -> tuple[int, int]:
    """Range of j in [0, count) for which lo <= start + j*step < hi."""
    if step < 0:
        start, lo, hi, step = -start, 1 - hi, 1 - lo, -step
    first = -((start - lo) // step) if start < lo else 0
    stop = -((start - hi) // step) if start < hi else 0
    return first, min(stop, count)


@lru_cache(maxsize=1024)
def triplets(axis: AxisMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output position, input position and multiplicity of every edge, sorted, none twice."""
    if isinstance(axis, Sparse):
        return axis.outs, axis.srcs, axis.counts
    if isinstance(axis, Dense):
        outs, srcs = np.divmod(np.arange(axis.n_out * axis.n_in, dtype=np.int64), axis.n_in)
        return outs, srcs, np.ones(len(outs), dtype=np.int64)
    runs = clip(axis)
    if not runs:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    outs = np.concatenate([np.arange(r.length) * r.out_step + r.out for r in runs])
    srcs = np.concatenate([np.arange(r.length) * r.src_step + r.src for r in runs])
    keys, counts = np.unique(outs * axis.n_in + srcs, return_counts=True)
    return keys // axis.n_in, keys % axis.n_in, counts.astype(np.int64)


def matrix(axis: AxisMap) -> csr_array:
    """The axis map as a sparse matrix of multiplicities.

    Returns
    -------
    scipy.sparse.csr_array, shape (n_out, n_in), int64

    Examples
    --------
    A 3-tap convolution with padding 1 over four positions:

    >>> matrix(strided_taps(4, 4, (0, 1, 2), stride=1, pad=1, dilation=1)).toarray()
    array([[1, 1, 0, 0],
           [1, 1, 1, 0],
           [0, 1, 1, 1],
           [0, 0, 1, 1]])
    """
    from scipy.sparse import csr_array

    outs, srcs, counts = triplets(axis)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(outs, minlength=axis.n_out))))
    return csr_array((counts, srcs, indptr), shape=(axis.n_out, axis.n_in))


@lru_cache(maxsize=4096)
def transpose(axis: AxisMap) -> AxisMap:
    """The axis map with every edge reversed."""
    if isinstance(axis, Dense):
        return Dense(axis.n_out, axis.n_in)
    if isinstance(axis, Sparse):
        order = np.lexsort((axis.outs, axis.srcs))
        return Sparse(
            axis.n_out, axis.n_in, axis.srcs[order], axis.outs[order], axis.counts[order]
        )
    runs = tuple(Run(r.src, r.src_step, r.out, r.out_step, r.length) for r in clip(axis))
    return Taps(axis.n_out, axis.n_in, runs)


@lru_cache(maxsize=4096)
def once(axis: AxisMap) -> AxisMap:
    """The axis map with every multiplicity reduced to one: its pattern of edges."""
    if isinstance(axis, Dense):
        return axis
    outs, srcs, counts = triplets(axis)
    if (counts == 1).all():
        return axis
    return from_pairs(axis.n_in, axis.n_out, outs, srcs)


def hull(axis: AxisMap, window: Window) -> Window | None:
    """The smallest input window that holds all that an output window reads; None if nothing."""
    lo, hi = window
    if lo >= hi:
        return None
    if isinstance(axis, Dense):
        return (0, axis.n_in)
    if isinstance(axis, Sparse):
        first, stop = np.searchsorted(axis.outs, (lo, hi)).tolist()
        if first == stop:
            return None
        srcs = axis.srcs[first:stop]
        return (int(srcs.min()), int(srcs.max()) + 1)
    return _ends(clip(axis, window))


def reach(axis: AxisMap, window: Window) -> tuple[Window | None, bool]:
    """The hull of what an output window reads, and whether a tap of it lands on padding."""
    if not isinstance(axis, Taps):
        return hull(axis, window), False
    ends = _ends(clip(axis, window, (-(1 << 62), 1 << 62)))
    if ends is None or (ends[0] >= 0 and ends[1] <= axis.n_in):
        return ends, False
    return hull(axis, window), True


def _ends(runs: Sequence[Run]) -> Window | None:
    """The window of inputs from the first to the last that runs read."""
    ends = [e for r in runs for e in (r.src, r.src + (r.length - 1) * r.src_step)]
    return (min(ends), max(ends) + 1) if ends else None


def row_sums(axis: AxisMap) -> np.ndarray:
    """How many reads each output position makes, shape (n_out,), int64.

    Of weights, the sum of their sizes, float64.
    """
    if isinstance(axis, Dense):
        return np.full(axis.n_out, axis.n_in, dtype=np.int64)
    if isinstance(axis, Sparse):
        sums = np.zeros(axis.n_out, dtype=axis.counts.dtype)
        np.add.at(sums, axis.outs, np.abs(axis.counts))
        return sums
    sums = np.zeros(axis.n_out, dtype=np.int64)
    for r in clip(axis):
        sums[np.arange(r.length) * r.out_step + r.out] += 1  # none twice: no step is zero
    return sums


@lru_cache(maxsize=4096)
def largest_sums(axis: AxisMap) -> tuple[Any, Any]:
    """The most reads that one output makes, and the most reads that one input gets.

    Integers, or floats of weights. Exact where counting is cheap, else upper bounds: no run
    meets a position twice.
    """
    if isinstance(axis, Dense):
        return axis.n_in, axis.n_out
    if isinstance(axis, Taps) and _run_length(axis) > COUNTED:
        return len(axis.runs), len(axis.runs)
    made = row_sums(axis)
    got = row_sums(transpose(axis))
    return made.max(initial=0).item(), got.max(initial=0).item()


@lru_cache(maxsize=4096)
def edge_count(axis: AxisMap) -> int:
    """Number of distinct (output, input) pairs; an upper bound where counting is not cheap."""
    if isinstance(axis, Dense):
        return axis.n_in * axis.n_out
    if isinstance(axis, Sparse):
        return len(axis.outs)
    length = sum(run.length for run in clip(axis))
    return length if length > COUNTED else len(triplets(axis)[0])


def _run_length(axis: Taps) -> int:
    """Positions of all runs together: the work of going through them."""
    return max(axis.n_in, axis.n_out) + sum(run.length for run in axis.runs)
