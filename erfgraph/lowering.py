"""From a plan to a program: which array operations make each map, and in which memory.

A map is made when its turn comes, from all that was pushed to it (see `erfgraph.emitting`). A
map that is a mere copy of another shares its memory; memory that has been read for the last
time serves the next map.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np

from erfgraph import memory
from erfgraph.blocks import Cell, Margin, make_cell
from erfgraph.channel_classes import Mixing
from erfgraph.emitting import Emitter, Inflow, Part, margin_for, whole
from erfgraph.number_types import Numbers
from erfgraph.plan import Plan, Push
from erfgraph.program import Place, Program
from erfgraph.steps import AxisStep, Term


def lower(
    plan: Plan,
    numbers: Numbers,
    keep: Iterable[int],
    more: Mapping[int, np.ndarray] | None = None,
) -> Program:
    """Fix memory and array operations for a plan.

    Parameters
    ----------
    plan : Plan
    numbers : Numbers
    keep : iterable of int
        Feature maps whose numbers are wanted.
    more : mapping of int to array, shape (*window), optional
        What maps hold besides what reaches them, the same in every lane.

    Returns
    -------
    Program

    Raises
    ------
    SizeError
        If what is held at one time does not fit into memory.
    """
    wanted = {index for index in keep if index in plan.windows}
    lanes = {i: numbers.lanes(i) * plan.n_classes[i] for i in plan.order}
    itemsize = np.dtype(numbers.dtype).itemsize
    room = sum(map(operator.mul, lanes.values(), plan.units.values()))
    if room * itemsize >= memory.SMALL:
        room = _most_held(plan, lanes, wanted)
        memory.require(room * itemsize, "this sweep")
    return _Lowering(plan, numbers, wanted, lanes, more or {}, 2 * room).program()


def _most_held(plan: Plan, lanes: Mapping[int, int], wanted: set[int]) -> int:
    """About how many numbers a sweep holds at one time."""
    units = plan.units
    last = {p.target: index for index in plan.order for p in plan.pushes[index]}
    until: dict[int, int] = {}  # when a map has been read for the last time
    when = {index: turn for turn, index in enumerate(plan.order)}
    for index in plan.order:
        until[index] = max((when[p.target] for p in plan.pushes[index]), default=when[index])
    done: dict[int, list[int]] = {}
    for index, turn in until.items():
        if index not in wanted:
            done.setdefault(turn, []).append(index)
    held = most = 0
    between = 0
    for turn, index in enumerate(plan.order):
        held += lanes[index] * units[index]
        most = max(most, held)
        held -= sum(lanes[i] * units[i] for i in done.get(turn, ()))
        if index in last:
            source = last[index]
            between = max(between, max(lanes[index], lanes[source]) * units[index])
    return most + 2 * between


class _Lowering:
    def __init__(
        self,
        plan: Plan,
        numbers: Numbers,
        wanted: set[int],
        lanes: Mapping[int, int],
        more: Mapping[int, np.ndarray],
        room: int,
    ) -> None:
        self.plan, self.numbers, self.wanted = plan, numbers, wanted
        self.lanes, self.more = lanes, more
        self.ndim = len(plan.windows[plan.start])
        self.emit = Emitter(numbers.dtype, self.ndim, room)
        self.cells: dict[int, Cell] = {}
        self.inflows: dict[int, list[tuple[int, Push]]] = {i: [] for i in plan.order}
        for index in plan.order:
            for push in plan.pushes[index]:
                self.inflows[push.target].append((index, push))
        self.home = self._homes()
        self.members: dict[int, list[int]] = {}
        for index, home in self.home.items():
            self.members.setdefault(home, []).append(index)

    # --- memory -----------------------------------------------------------------------------

    def _homes(self) -> dict[int, int]:
        """For every map, the one in whose memory it lies: itself, or what it is a copy of."""
        home = {}
        for index in self.plan.order:
            home[index] = index
            flows = self.inflows[index]
            if len(flows) != 1 or index == self.plan.start or index in self.more:
                continue
            source, push = flows[0]
            if (
                len(push.terms) == 1
                and push.mixing is None
                and self.lanes[source] == self.lanes[index]
                and not self.numbers.shift(source, index)
                and _is_copy(push.terms[0])
                and self.plan.extents[source] == self.plan.extents[index]
            ):
                home[index] = home[source]
        return home

    def _reads(self, index: int) -> list[AxisStep]:
        """The steps that read a map itself."""
        firsts: list[AxisStep] = []
        for push in self.plan.pushes[index]:
            if not self.numbers.shift(index, push.target) and not self._mixed_first(push):
                firsts += _firsts(push)
        return firsts

    @staticmethod
    def _mixed_first(push: Push) -> bool:
        """Whether classes are mixed before positions are: the fewer lanes are moved."""
        return push.mixing is not None and push.mixing.n_into <= push.mixing.n_source

    def _group(self, home: int) -> tuple[Margin, int]:
        """Margins of a map's memory, and how often it is read before it is free."""
        members = self.members[home]
        margin = margin_for(chain.from_iterable(map(self._reads, members)), self.ndim)
        uses = sum(len(self.plan.pushes[m]) for m in members) - (len(members) - 1)
        return margin, uses + any(m in self.wanted for m in members)

    # --- the program --------------------------------------------------------------------------

    def program(self) -> Program:
        """Lower map by map."""
        plan = self.plan
        result = self._result()
        arena, places = self._arena(result)
        self._make(plan.start)  # the first, since seeds are written before all else
        for index in plan.order:
            if index == result:
                self._make_result(index)
                continue
            if self.home[index] != index:
                self.cells[index] = self.cells[self.home[index]]
            elif index != plan.start:
                self._make(index)
            self._complete(index)
        seeds = np.zeros((self.lanes[plan.start], *[1] * self.ndim), self.numbers.dtype)
        for i, number in enumerate(plan.seeds):
            seeds[i] = number
        return Program(
            operations=self.emit.operations,
            last=self.emit.last,
            result=None if result is None else (result, self._shape(result)),
            arena=arena,
            places=places,
            first=self.cells[plan.start].core,
            seeds=seeds,
            n_bytes=self.emit.blocks.n_bytes + arena.nbytes,
        )

    def _result(self) -> int | None:
        """The last map, if it alone is wanted and needs nothing once it is made."""
        index = self.plan.order[-1]
        alone = self.wanted == {index} and len(self.members[self.home[index]]) == 1
        if not alone or index == self.plan.start or index in self.more:
            return None
        if self.plan.pushes[index] or self.numbers.settle(index) is not None:
            return None
        return index

    def _arena(self, result: int | None) -> tuple[np.ndarray, list[Place]]:
        """Memory for the wanted maps side by side, and where each lies in it."""
        homes = list(dict.fromkeys(self.home[i] for i in self.plan.order if i in self.wanted))
        starts, size = {}, 0
        for home in homes if result is None else ():
            margin, _ = self._group(home)
            extent = self.plan.extents[home]
            n = self.lanes[home]
            for length, (lo, hi) in zip(extent, margin, strict=True):
                n *= lo + length + hi
            starts[home] = size
            size += n
        arena = np.zeros(size, self.numbers.dtype)
        base = arena.__array_interface__["data"][0]
        places = []
        for home, start in starts.items():
            margin, uses = self._group(home)
            cell = make_cell(arena[start:], self.lanes[home], self.plan.extents[home], margin)
            cell.uses = uses
            self.cells[home] = cell
            core = cell.core
            offset = core.__array_interface__["data"][0] - base
            maps = tuple(i for i in self.members[home] if i in self.wanted)
            places.append(Place(maps, core.shape, offset, core.strides))
        return arena, places

    def _make(self, index: int) -> None:
        """Make a map in a cell."""
        inflows = self._inflows(index)
        cell = self.cells.get(index)
        if cell is None:
            margin, uses = self._group(index)
            cell = self.emit.take(self.lanes[index], self.plan.extents[index], margin, uses)
            self.cells[index] = cell
        if index != self.plan.start:
            self.emit.add_up(cell.core, inflows)
        self._done(index)

    def _make_result(self, index: int) -> None:
        self.emit.add_up(None, self._inflows(index), self._shape(index))
        self._done(index)

    def _shape(self, index: int) -> tuple[int, ...]:
        return (self.lanes[index], *self.plan.extents[index])

    def _done(self, index: int) -> None:
        """What made a map may serve the next."""
        for source, _ in self.inflows[index]:
            self.emit.release(self.cells[source])
        self.emit.release_scratch()

    def _complete(self, index: int) -> None:
        core = self.cells[index].core
        if index in self.more:
            self.emit.do(np.add, core, self.more[index], core)
        settle = self.numbers.settle(index)
        if settle is not None:
            self.emit.do(settle, core)

    # --- what reaches a map -------------------------------------------------------------------

    def _inflows(self, index: int) -> list[Inflow]:
        found = []
        for source, push in self.inflows[index]:
            found += self._through(source, push)
        return found

    def _through(self, source: int, push: Push) -> list[Inflow]:
        """What one push brings."""
        cell, mixing = self.cells[source], push.mixing
        margin = margin_for(_firsts(push), self.ndim)
        shift = self.numbers.shift(source, push.target)
        if shift:
            made = self.emit.scratch(len(cell.core), cell.core.shape[1:], margin)
            self.emit.do(np.ldexp, cell.core, shift, made.core)
            cell = made
        if mixing is None:
            return [self.emit.term(cell, term) for term in push.terms]
        lanes = len(cell.core) // mixing.n_source * mixing.n_into
        if self._mixed_first(push):
            mixed = self.emit.scratch(lanes, cell.core.shape[1:], margin)
            self.emit.do(_mix, mixing, cell.core, mixed.core)
            return [self.emit.term(mixed, term) for term in push.terms]
        extent = self.plan.extents[push.target]
        moved, mixed = self.emit.scratch(len(cell.core), extent), self.emit.scratch(lanes, extent)
        self.emit.add_up(moved.core, [self.emit.term(cell, term) for term in push.terms])
        self.emit.do(_mix, mixing, moved.core, mixed.core)
        return [Inflow(lanes, [Part(whole(extent), [mixed.core])], True)]


def _firsts(push: Push) -> list[AxisStep]:
    """Of every term the step that comes first."""
    return [term.moving[0] for term in push.terms if term.moving]


def _is_copy(term: Term) -> bool:
    """Whether every position is handed on as it is."""
    return term.covers and not term.moving and not term.takes


def _mix(mixing: Mixing, values: np.ndarray, out: np.ndarray) -> None:
    out[...] = mixing.apply(values)
