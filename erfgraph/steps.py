"""One axis of a push: the adjoint of an axis map between two windows, ready to be lowered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from erfgraph import axes
from erfgraph.axes import AxisMap, Dense, Taps, Window

STRETCH = 32  # positions by which a run may always be lengthened into zeros


class Move(NamedTuple):
    """Source position ``to + j*to_step`` gets output position ``take + j*take_step``, j < n."""

    to: int
    to_step: int
    take: int
    take_step: int
    n: int


class Phase(NamedTuple):
    """Every ``step``-th source position from ``first`` on, and where its taps begin to read.

    Attributes
    ----------
    first, step, n : int
        The positions of the source window, all of this phase.
    takes : tuple of int
        Per tap, in ascending order, the output position that the first of them gets; negative
        ones, and those beyond the output window, are zero.
    take_step : int
    """

    first: int
    step: int
    n: int
    takes: tuple[int, ...]
    take_step: int


@dataclass(frozen=True, slots=True, eq=False)
class TapsStep:
    """Adjoint of `Taps` on a window.

    Attributes
    ----------
    axis : int
        Axis of the numbers, whose first one is for lanes.
    length, n_out : int
        Positions of the source and of the output window.
    moves : tuple of Move
        What goes where, without reading beyond the output window.
    phases : tuple of Phase or None
        The same with every run lengthened over all of the source window, so that each phase
        is one sum of equally long slices; phases without taps included. None where a
        lengthened run would read something else than zeros.
    margin : (int, int)
        How many zeros the phases want before and behind the output window.
    """

    axis: int
    length: int
    n_out: int
    moves: tuple[Move, ...]
    phases: tuple[Phase, ...] | None
    margin: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
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


class Term(NamedTuple):
    """A product of axis steps, sorted by what they take.

    Attributes
    ----------
    moving : tuple of AxisStep
        Those that are more than one slice, the innermost axis first: strided, it is slow, so
        it goes while the array is still small.
    takes : dict of int to slice
        The other axes, from 0, and which output positions they hand on.
    to : tuple of slice
        Per axis which source positions are reached, all of them on moving axes.
    covers : bool
        Whether the axes that do not move reach all source positions.
    """

    moving: tuple[AxisStep, ...]
    takes: dict[int, slice]
    to: tuple[slice, ...]
    covers: bool


def make_term(steps: Sequence[AxisStep]) -> Term:
    """Sort the steps of a product, one per axis."""
    moving: list[AxisStep] = []
    takes: dict[int, slice] = {}
    to: list[slice] = []
    covers = True
    for axis, step in enumerate(steps):
        if isinstance(step, TapsStep) and len(step.moves) == 1:
            (move,) = step.moves
            if (move.take, move.take_step, move.n) != (0, 1, step.n_out):
                takes[axis] = progression(move.take, move.take_step, move.n)
            to.append(progression(move.to, move.to_step, move.n))
            covers = covers and (move.to, move.to_step, move.n) == (0, 1, step.length)
        else:
            moving.insert(0, step)
            to.append(slice(0, step.length, 1))
    return Term(tuple(moving), takes, tuple(to), covers)


def progression(start: int, step: int, n: int) -> slice:
    """The slice of n positions from a start on; the step may be negative."""
    stop = start + (n - 1) * step + (1 if step > 0 else -1)
    return slice(start, stop if stop >= 0 else None, step)


@lru_cache(maxsize=8192)
def axis_step(axis: AxisMap, i: int, out: Window, src: Window) -> AxisStep:
    """The adjoint of an axis map on axis i, from an output to a source window."""
    length = src[1] - src[0]
    if isinstance(axis, Dense):
        return DenseStep(i + 1, length)
    if isinstance(axis, Taps):
        moves = tuple(
            Move(r.src - src[0], r.src_step, r.out - out[0], r.out_step, r.length)
            for r in axes.clip(axis, out, src)
        )
        n_out = out[1] - out[0]
        phases = _phases(moves, length, n_out)
        return TapsStep(i + 1, length, n_out, moves, phases, _margin(phases or (), n_out))
    from scipy.sparse import csr_array

    first, stop = np.searchsorted(axis.outs, out)
    rows, cols = axis.srcs[first:stop] - src[0], axis.outs[first:stop] - out[0]
    shape = (length, out[1] - out[0])
    return SparseStep(i + 1, length, csr_array((axis.counts[first:stop], (rows, cols)), shape))


def _phases(moves: Sequence[Move], length: int, n_out: int) -> tuple[Phase, ...] | None:
    """Moves lengthened over all of the source window, if what they read beyond is zero."""
    if not moves:
        return None
    step, take_step = moves[0].to_step, moves[0].take_step
    takes: dict[int, list[int]] = {first: [] for first in range(min(step, length))}
    for move in moves:
        if (move.to_step, move.take_step) != (step, take_step) or step < 1 or take_step < 1:
            return None
        first = move.to % step
        before = move.to // step
        behind = (length - 1 - first) // step + 1 - before - move.n
        if before + behind > max(STRETCH, move.n):
            return None
        if before and move.take >= take_step:
            return None
        if behind and move.take + move.n * take_step < n_out:
            return None
        takes[first].append(move.take - before * take_step)
    return tuple(
        Phase(first, step, (length - 1 - first) // step + 1, tuple(sorted(starts)), take_step)
        for first, starts in takes.items()
    )


def _margin(phases: Sequence[Phase], n_out: int) -> tuple[int, int]:
    before = behind = 0
    for phase in phases:
        if phase.takes:
            before = max(before, -phase.takes[0])
            behind = max(behind, phase.takes[-1] + (phase.n - 1) * phase.take_step + 1 - n_out)
    return before, behind
