"""The array operations that make a cell out of what reaches it, step by step.

A sum takes as few passes as there are terms in it: the first writes, the others add. Taps that
read beyond a window read margins of zeros (see `erfgraph.blocks`), so that all of an axis' taps
are slices of one length; many taps in a row share sums of two, four, eight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from erfgraph.blocks import Blocks, Cell, Margin
from erfgraph.program import Index, Operation, Slot
from erfgraph.steps import (
    AxisStep,
    DenseStep,
    Phase,
    SparseStep,
    TapsStep,
    Term,
    progression,
)

ZERO = False  # a zero of every type
SHARED_SUMS = 3  # taps in a row from which on sums of two, four, … are made


class Part(NamedTuple):
    """Views that are added into one place of a cell."""

    to: Index  # per axis, without lanes
    views: list[np.ndarray]


class Inflow(NamedTuple):
    """What reaches a cell by one term: parts, and whether they cover all of it."""

    lanes: int
    parts: list[Part]
    covers: bool


def margin_for(steps: Iterable[AxisStep], ndim: int) -> Margin:
    """The zeros that steps want around what they read."""
    widest = [(0, 0)] * ndim
    for step in steps:
        if type(step) is TapsStep and step.margin != (0, 0):
            before, behind = widest[step.axis - 1]
            widest[step.axis - 1] = max(before, step.margin[0]), max(behind, step.margin[1])
    return tuple(widest)


class Emitter:
    """Collects operations, and takes the memory that they need.

    Parameters
    ----------
    dtype : dtype
    ndim : int
        Number of axes besides the lanes.
    room : int
        How many numbers there may be at one time, about.
    """

    def __init__(self, dtype: Any, ndim: int, room: int) -> None:
        self.ndim = ndim
        self.blocks = Blocks(dtype, room)
        self.operations: list[Operation] = []
        self.last: list[Operation] = []  # what writes the result
        self.passing: list[Cell] = []  # cells that serve the map that is being made

    # --- memory and operations ----------------------------------------------------------------

    def take(self, lanes: int, extent: Sequence[int], margin: Margin, uses: int = 1) -> Cell:
        """A cell that is free again when it has been read so often."""
        cell, dirty = self.blocks.take(lanes, tuple(extent), margin)
        cell.uses = uses
        for strip in dirty:
            self.do(np.copyto, strip, ZERO)
        return cell

    def scratch(self, lanes: int, extent: Sequence[int], margin: Margin | None = None) -> Cell:
        """A cell that is free again when the map is made."""
        cell = self.take(lanes, extent, margin or ((0, 0),) * len(extent))
        self.passing.append(cell)
        return cell

    def release(self, cell: Cell) -> None:
        """Say that a cell has been read once."""
        cell.uses -= 1
        if not cell.uses:
            self.blocks.give(cell)

    def release_scratch(self) -> None:
        """Take back all scratch cells."""
        for cell in self.passing:
            self.release(cell)
        self.passing.clear()

    def do(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function of arrays in every replay."""
        last = any(type(a) is Slot for a in arguments)
        (self.last if last else self.operations).append((function, arguments))

    # --- products of axis steps ---------------------------------------------------------------

    def term(self, cell: Cell, term: Term) -> Inflow:
        """What a product of axis steps brings: all but the last step are made at once."""
        moving, takes = term.moving, term.takes
        crops: list[slice] = [slice(None)] * (self.ndim + 1)
        for step, following in pairwise(moving):
            if isinstance(step, TapsStep) and not takes and self._is_flat(cell, step):
                cell = self._flat(cell, step, margin_for([following], self.ndim))
                crops[step.axis] = slice(0, step.length)
                continue
            base = _view(cell, step.axis, takes)
            extent = list(base.shape[1:])
            extent[step.axis - 1] = step.length
            made = self.scratch(len(base), extent, margin_for([following], self.ndim))
            self.add_up(made.core, [self._step(base, cell, step, whole(extent))])
            cell, takes = made, {}
        if not moving:
            return Inflow(len(cell.core), [Part(term.to, [_view(cell, 0, takes)])], term.covers)
        base = _view(cell, moving[-1].axis, takes)
        lanes, parts, every = self._step(base, cell, moving[-1], term.to)
        if crops[-1] != slice(None):
            parts = [Part(p.to, [v[tuple(crops)] for v in p.views]) for p in parts]
        return Inflow(lanes, parts, term.covers and every)

    # --- rows end to end ----------------------------------------------------------------------

    def _is_flat(self, cell: Cell, step: TapsStep) -> bool:
        """Whether taps along the innermost axis can go over all rows as if they were one."""
        return (
            step.axis == self.ndim > 1
            and step.phases is not None
            and len(step.phases) == 1
            and step.phases[0].take_step == 1
            and len(step.phases[0].takes) > 0
            and cell.padded.shape[-2] == cell.core.shape[-2]
        )

    def _flat(self, cell: Cell, step: TapsStep, margin: Margin) -> Cell:
        """Taps along the innermost axis over all rows as if they were one.

        The columns behind the step's length, as many as the margins had, mix two rows and mean
        nothing: one long loop and some useless additions are quicker than many short loops.
        """
        assert step.phases is not None
        source = _view(cell, step.axis, {})
        *outer, n_rows, width = source.shape
        made = self.scratch(outer[0], (*outer[1:], n_rows, width), margin)
        skipped = margin[-2][0] * width
        before, takes = cell.margin[-1][0], step.phases[0].takes
        n = n_rows * width - takes[-1] - before
        one = Phase(0, 1, n, takes, 1)
        (views,) = self._taps(_rows(source), self.ndim - 1, [one], before)
        into = _rows(_view(made, self.ndim - 1, {}))
        self._write(into[..., skipped : skipped + n], views)
        return made

    # --- one axis -----------------------------------------------------------------------------

    def _step(self, base: np.ndarray, cell: Cell, step: AxisStep, to: Sequence[slice]) -> Inflow:
        """What one step makes of a view that has the cell's margins along the step's axis."""
        before = cell.margin[step.axis - 1][0]
        if isinstance(step, TapsStep) and step.phases is not None:
            spots = [slice(p.first, step.length, p.step) for p in step.phases]
            views = self._taps(base, step.axis, step.phases, before)
            covers = True
        else:
            core = base[_along(step.axis, slice(before, before + cell.core.shape[step.axis]))]
            spots, covers = [slice(0, step.length, 1)], True
            if isinstance(step, TapsStep):
                spots = [progression(m.to, m.to_step, m.n) for m in step.moves]
                takes = [progression(m.take, m.take_step, m.n) for m in step.moves]
                views, covers = [[core[_along(step.axis, take)]] for take in takes], False
            elif isinstance(step, DenseStep):
                views = [[self._dense(core, step)]]
            else:
                extent = list(core.shape[1:])
                extent[step.axis - 1] = step.length
                product = self.scratch(len(core), extent).core
                self.do(_sparse, step, core, product)
                views = [[product]]
        parts = []
        for spot, found in zip(spots, views, strict=True):
            place = list(to)
            place[step.axis - 1] = spot
            parts.append(Part(tuple(place), found))
        return Inflow(len(base), parts, covers)

    def _dense(self, core: np.ndarray, step: DenseStep) -> np.ndarray:
        if core.shape[step.axis] > 1:
            extent = list(core.shape[1:])
            extent[step.axis - 1] = 1
            total = self.scratch(len(core), extent).core
            reduced = (core, step.axis, core.dtype, total, True)
            self.do(np.add.reduce, *reduced)
            core = total
        shape = list(core.shape)
        shape[step.axis] = step.length
        return np.broadcast_to(core, shape)

    def _taps(
        self, base: np.ndarray, axis: int, phases: Sequence[Phase], before: int
    ) -> list[list[np.ndarray]]:
        """Per phase the views whose sum it is.

        Taps in a row share sums of two, four, eight: 7 taps of stride 1 take 4 additions, the
        4 and the 3 taps of its two phases at stride 2 take 3.
        """
        most = max((len(p.takes) for p in phases if _spacing(p)), default=0)
        top = max(1, most.bit_length() - 2) if most >= SHARED_SUMS else 0
        sums: dict[int, list[np.ndarray]] = {}  # by distance of taps: sums of 1, 2, 4, … in a row
        found = []
        for phase in phases:
            spacing = _spacing(phase)
            views = []
            level = sums.setdefault(spacing, [base])
            wanted = min(top, len(phase.takes).bit_length() - 1) if spacing else 0
            while len(level) <= wanted:
                made = self._pairs(level[-1], axis, spacing << (len(level) - 1))
                level.append(made)
            k = 0
            while k < len(phase.takes):
                power = min(wanted, (len(phase.takes) - k).bit_length() - 1)
                take = progression(phase.takes[k] + before, phase.take_step, phase.n)
                views.append(level[power][_along(axis, take)])
                k += 1 << power
            found.append(views)
        return found

    def _pairs(self, values: np.ndarray, axis: int, reach: int) -> np.ndarray:
        """Each number added to the one so far behind it, where there is one.

        Along the innermost axis rows go end to end, and sums over the end of a row mean nothing.
        """
        extent = list(values.shape[1:])
        if 1 < axis == values.ndim - 1 and _rows_touch(values):
            made = self.scratch(len(values), extent).core
            source, into = _rows(values), _rows(made)
            n = source.shape[-1] - reach
            self.do(np.add, source[..., :n], source[..., reach:], into[..., :n])
            return made
        n = extent[axis - 1] = extent[axis - 1] - reach
        made = self.scratch(len(values), extent).core
        ahead, behind = _along(axis, slice(0, n)), _along(axis, slice(reach, None))
        self.do(np.add, values[ahead], values[behind], made)
        return made

    # --- adding up ----------------------------------------------------------------------------

    def add_up(
        self, out: np.ndarray | None, inflows: list[Inflow], shape: Sequence[int] = ()
    ) -> None:
        """Make an array (None: the result) the sum of what reaches it."""
        shape = shape if out is None else out.shape
        lanes = max(inflow.lanes for inflow in inflows)
        covering = [inflow for inflow in inflows if inflow.covers and inflow.lanes == lanes]
        first: dict[Any, Part] = {}
        if covering:
            best = max(covering, key=lambda inflow: sum(len(p.views) for p in inflow.parts))
            first = {_key(lanes, p.to): Part(p.to, list(p.views)) for p in best.parts}
            inflows = [inflow for inflow in inflows if inflow is not best]
        rest: list[tuple[int, Part]] = []
        for inflow in inflows:
            for part in inflow.parts:
                same = first.get(_key(inflow.lanes, part.to))
                if same is None:
                    rest.append((inflow.lanes, part))
                else:
                    same.views.extend(part.views)
        everywhere = whole(shape[1:])
        written = lanes if covering else 0
        if shape[0] > written:
            self.do(np.copyto, _at(out, slice(written, shape[0]), everywhere), ZERO)
        for part in first.values():
            self._write(_at(out, slice(0, lanes), part.to), part.views)
        for n, part in rest:
            where = _at(out, slice(0, n), part.to)
            for view in part.views:
                self.do(np.add, where, view, where)

    def _write(self, where: np.ndarray | Slot, views: Sequence[np.ndarray]) -> None:
        """Make a place the sum of views."""
        if len(views) < 2:
            self.do(np.copyto, where, views[0] if views else ZERO)
            return
        self.do(np.add, views[0], views[1], where)
        for view in views[2:]:
            self.do(np.add, where, view, where)


def whole(extent: Iterable[int]) -> Index:
    """The place that is all of a cell."""
    return tuple(slice(0, n, 1) for n in extent)


def _at(out: np.ndarray | None, lanes: slice, to: Index) -> np.ndarray | Slot:
    index = (lanes, *to)
    return Slot(index) if out is None else out[index]


def _key(lanes: int, to: Index) -> tuple[Any, ...]:
    return (lanes, *((s.start, s.stop, s.step) for s in to))


def _along(axis: int, where: slice) -> Index:
    return (*(slice(None),) * axis, where)


def _view(cell: Cell, axis: int, takes: Mapping[int, slice]) -> np.ndarray:
    """A cell's core, with its margins along one axis (0: none), or a part of it on others."""
    index = [slice(None)]
    for i, (lo, _) in enumerate(cell.margin):
        if i == axis - 1:
            index.append(slice(None))
        else:
            index.append(slice(lo, lo + cell.core.shape[i + 1]))
    view = cell.padded[tuple(index)]
    if not takes:
        return view
    return view[(slice(None), *(takes.get(i, slice(None)) for i in range(len(cell.margin))))]


def _rows_touch(values: np.ndarray) -> bool:
    """Whether each row begins where the one before ends."""
    return values.strides[-2:] == (values.shape[-1] * values.itemsize, values.itemsize)


def _rows(values: np.ndarray) -> np.ndarray:
    """Rows end to end, shape (..., rows * columns): a view, since they touch."""
    return values.reshape(*values.shape[:-2], -1)


def _spacing(phase: Phase) -> int:
    """The distance of a phase's taps where it is the same everywhere, else 0."""
    takes = phase.takes
    if len(takes) < 2 or phase.take_step != 1 or takes[1] == takes[0]:
        return 0
    spacing = takes[1] - takes[0]
    return spacing if takes == tuple(range(takes[0], takes[-1] + 1, spacing)) else 0


def _sparse(step: SparseStep, values: np.ndarray, out: np.ndarray) -> None:
    """The product of a sparse matrix along one axis."""
    moved = np.moveaxis(values, step.axis, 0)
    flat = moved.reshape(moved.shape[0], -1)
    if values.dtype == bool:
        product = (step.matrix @ flat.astype(np.int64)) > 0
    else:
        product = step.matrix @ flat
    out[...] = np.moveaxis(product.reshape(-1, *moved.shape[1:]), 0, step.axis)
