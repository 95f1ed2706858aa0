"""Path counts of many units of one map: sweeps side by side, in tiles.

Units whose windows overlap share a plan, made for the smallest window of their map that holds
them: what a plan costs, and what a NumPy call costs beside its additions, is paid once for many.
A few units at a time go through it, as many as keep the numbers in the processor's cache. Units
that mirror each other (see `erfgraph.symmetry`) are swept once.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from erfgraph import memory
from erfgraph.axes import Window
from erfgraph.channels import Channels
from erfgraph.counts import Counts, float_scale
from erfgraph.factors import axis_views, product, require_room
from erfgraph.network import Network
from erfgraph.number_types import BOOL, Numbers, batch_of
from erfgraph.params import Shape
from erfgraph.paths import finished, numbers_for, sizes_of
from erfgraph.plan import Plan, compile_plan, reached, view_for
from erfgraph.running import run
from erfgraph.symmetry import Axes, like_axes, ordered
from erfgraph.view import View, remembered

TOGETHER = 1 << 25  # bytes of results in one array
CACHED = 3 << 19  # bytes of the largest map of the units that are swept side by side
SLACK = 1.5  # by how much a tile's window may be larger than one of its units'


@dataclass(frozen=True, eq=False)
class Job:
    """A few units that are swept side by side.

    Attributes
    ----------
    plan : Plan
        For all units of a tile.
    numbers : Numbers
        Of one unit.
    many : Numbers
        Of all of them.
    sizes : array or None
        Channels of each class of the rated map.
    members : tuple of int
        Which of all units.
    """

    plan: Plan
    numbers: Numbers
    many: Numbers
    sizes: np.ndarray | None
    members: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return int(np.dtype(self.numbers.dtype).itemsize)

    def shape(self, index: int) -> Shape:
        """Of the numbers of a map, lanes first."""
        lanes = self.many.lanes(index) * self.plan.n_classes[index]
        return (lanes, *self.plan.extents[index])


@dataclass(frozen=True, eq=False)
class Batch:
    """Many units of a map, compiled.

    Attributes
    ----------
    windows : list of windows or None
        Of the rated map, what each unit reaches.
    jobs : list of Job
    n_bytes : int
        What the results take.
    bound : int
        At least the sum of any unit's counts.
    """

    windows: list[tuple[Window, ...] | None]
    jobs: list[Job]
    n_bytes: int
    bound: int


Found = list[tuple[Counts, tuple[Window, ...]] | None]


def count_units(
    net: Network,
    start: int,
    units: tuple[Shape, ...],
    stop: int,
    exact: bool = True,
    asked: Channels | None = None,
    of: Channels | None = None,
) -> Found:
    """Path counts of one map for many units of another.

    Parameters
    ----------
    net : Network
    start : int
        Index of the units' map.
    units : tuple of tuple of int
    stop : int
        Index of the rated map.
    exact : bool, optional
    asked, of : channels, optional
        Tell channels apart: of the units', and of the rated map those that are summed over.

    Returns
    -------
    list
        Per unit its counts and their window, or None if no path leads there.
    """
    seen = view_for(net, "backward", start, stop, asked)
    distinct, mirrored = remembered(
        seen.plans, ("mirrored", units), lambda: _mirrored(seen, units)
    )
    found = _count(seen, start, distinct, stop, exact, of)
    return [found[k] if axes is None else _turned(found[k], axes) for k, axes in mirrored]


def _mirrored(
    seen: View, units: tuple[Shape, ...]
) -> tuple[tuple[Shape, ...], list[tuple[int, Axes | None]]]:
    """Units of which none mirrors another, and which of them each is, with its axes or others."""
    groups = like_axes(seen)
    as_asked = tuple(range(len(seen.shapes[0])))
    others = [ordered(unit, groups) for unit in units]
    numbers = {unit: k for k, unit in enumerate(dict.fromkeys(unit for unit, _ in others))}
    return tuple(numbers), [
        (numbers[unit], None if axes == as_asked else axes) for unit, axes in others
    ]


def _turned(
    found: tuple[Counts, tuple[Window, ...]] | None, axes: Axes
) -> tuple[Counts, tuple[Window, ...]] | None:
    """The same with its axes in another order."""
    if found is None:
        return None
    counts, window = found
    return counts.transposed(axes), tuple(window[axis] for axis in axes)


def _count(
    seen: View, start: int, units: tuple[Shape, ...], stop: int, exact: bool, of: Channels | None
) -> Found:
    views = axis_views(seen)
    if views is not None:
        return _chain(views, start, units, stop, exact)
    batch = _batch(seen, start, units, stop, exact, of)
    found: Found = [None] * len(units)
    for job, out in zip(batch.jobs, _places(batch.jobs, stop), strict=True):
        mine = [units[m] for m in job.members]
        for member, counts in _counted(job, mine, stop, batch.windows, out):
            found[member] = counts, batch.windows[member] or ()
    return found


def _chain(
    views: Sequence[View], start: int, units: Sequence[Shape], stop: int, exact: bool
) -> Found:
    """Along a chain of layers, each coordinate is counted once on its axis."""
    along: list[dict[int, tuple[Counts, tuple[Window, ...]] | None]] = []
    bound = 1
    for axis, view in enumerate(views):
        places = tuple((c,) for c in sorted({unit[axis] for unit in units}))
        counted = _count(view, start, places, stop, exact, None)
        along.append(dict(zip((c for (c,) in places), counted, strict=True)))
        bound *= _batch(view, start, places, stop, exact, None).bound
    scale = 0 if exact else float_scale(bound)
    every: list[list[tuple[Counts, tuple[Window, ...]]] | None] = []
    for unit in units:
        parts = [known[c] for known, c in zip(along, unit, strict=True)]
        every.append([part for part in parts if part is not None] if all(parts) else None)
    extents = ([counts.shape[0] for counts, _ in parts] for parts in every if parts)
    require_room(map(tuple, extents), bound, exact, f"maps of {len(units)} units")
    found: Found = []
    for chosen in every:
        if chosen is None:
            found.append(None)
            continue
        counts = product([part for part, _ in chosen], bound, scale)
        found.append((counts, tuple(window for _, (window,) in chosen)))
    return found


def _places(jobs: Sequence[Job], stop: int) -> list[np.ndarray]:
    """Where the results of jobs go, many in one array.

    Fresh pages cost more than the additions that fill them; a large array is asked for once,
    and given back as a whole.
    """
    places: list[np.ndarray] = []
    for _, alike in groupby(jobs, lambda job: job.plan):
        waiting = list(alike)
        while waiting:
            shapes = [job.shape(stop) for job in waiting]
            sizes = np.cumsum([math.prod(shape) for shape in shapes]) * waiting[0].itemsize
            n = max(1, int(np.searchsorted(sizes, TOGETHER, side="right")))
            lanes = np.cumsum([shape[0] for shape in shapes[:n]])
            held = np.empty((lanes[-1], *shapes[0][1:]), waiting[0].numbers.dtype)
            places += np.split(held, lanes[:-1])
            waiting = waiting[n:]
    return places


# --- build ----------------------------------------------------------------------------------


def _batch(
    seen: View, start: int, units: tuple[Shape, ...], stop: int, exact: bool, of: Channels | None
) -> Batch:
    """The compiled sweeps of units, kept with the view for the next call."""
    key = ("units", start, units, stop, exact, of)
    batch = remembered(seen.plans, key, lambda: _compile(seen, start, units, stop, exact, of))
    memory.require(batch.n_bytes, f"maps of {len(units)} units", "ask for fewer at a time")
    return batch


def _compile(
    seen: View, start: int, units: tuple[Shape, ...], stop: int, exact: bool, of: Channels | None
) -> Batch:
    windows = []
    for unit in units:
        here = tuple((u, u + 1) for u in unit)
        windows.append(reached(seen, seen.pushes, start, here).get(stop))
    jobs: list[Job] = []
    n_bytes, bound = 0, 0
    for tile in _tiles(seen, start, units, stop, windows):
        plan = compile_plan(seen, start, _hull(units, tile), apart=True)
        sizes = sizes_of(plan, [stop], {stop: of})
        if stop not in sizes:
            continue
        numbers = numbers_for(plan, exact, sizes)
        itemsize = np.dtype(numbers.dtype).itemsize
        bytes_of = {
            i: numbers.lanes(i) * plan.n_classes[i] * plan.units[i] * itemsize for i in plan.order
        }
        most = max(1, CACHED // max(bytes_of.values()))
        alike: dict[int, Numbers] = {}
        for part in np.array_split(np.array(tile), _n_jobs(len(tile), most)):
            many = alike.setdefault(len(part), batch_of(numbers, len(part)))
            jobs.append(Job(plan, numbers, many, sizes[stop], tuple(part.tolist())))
        n_bytes += len(tile) * bytes_of[stop]
        bound = max(bound, plan.bounds[stop])
    return Batch(windows, jobs, n_bytes, bound)


def _n_jobs(n_units: int, most: int) -> int:
    """Into how many jobs to split: all of one size, about the given one, if that can be.

    Jobs of one size share a program, whose memory the next job finds in the cache.
    """
    even = [n for n in range(1 + most // 2, 2 * most) if n_units % n == 0]
    size = max(even, default=most)
    return -(-n_units // size)


def _hull(units: Sequence[Shape], members: Sequence[int]) -> tuple[Window, ...]:
    chosen = [units[m] for m in members]
    return tuple((min(axis), max(axis) + 1) for axis in zip(*chosen, strict=True))


def _tiles(
    seen: View,
    start: int,
    units: Sequence[Shape],
    stop: int,
    windows: Sequence[tuple[Window, ...] | None],
) -> Iterator[tuple[int, ...]]:
    """Split the units until what a tile reaches together is not much more than each alone."""
    waiting = [tuple(i for i, w in enumerate(windows) if w is not None)]
    while waiting:
        group = waiting.pop()
        if not group:
            continue
        hull = _hull(units, group)
        together = reached(seen, seen.pushes, start, hull)[stop]
        alone = sum(_size(windows[i] or ()) for i in group) / len(group)
        longest = max(range(len(hull)), key=lambda a: hull[a][1] - hull[a][0])
        lo, hi = hull[longest]
        if hi - lo < 2 or _size(together) <= SLACK * alone:
            yield group
            continue
        middle = (lo + hi) // 2
        waiting.append(tuple(i for i in group if units[i][longest] >= middle))
        waiting.append(tuple(i for i in group if units[i][longest] < middle))


def _size(window: tuple[Window, ...]) -> int:
    return math.prod(hi - lo for lo, hi in window)


# --- run ------------------------------------------------------------------------------------


def _counted(
    job: Job,
    units: Sequence[Shape],
    stop: int,
    windows: Sequence[tuple[Window, ...] | None],
    out: np.ndarray,
) -> Iterator[tuple[int, Counts]]:
    """The counts of a job's units, each on its own window."""
    plan, start = job.plan, job.plan.start
    n, n_seeds = len(units), len(plan.seeds)
    seed = np.zeros(job.shape(start), job.numbers.dtype)
    for k, unit in enumerate(units):
        place = tuple(map(operator.sub, unit, plan.offsets[start]))
        seed[(slice(k * n_seeds, (k + 1) * n_seeds), *place)] = plan.seeds
    values = run(plan, job.many, [stop], seed, out=out)[stop]
    where = None
    if job.numbers.scale(stop):
        where = run(plan, batch_of(BOOL, n), [stop], seed > 0, once=True)[stop]
    for k, member in enumerate(job.members):
        window = windows[member]
        assert window is not None
        crop = tuple(
            slice(lo - o, hi - o) for (lo, hi), o in zip(window, plan.offsets[stop], strict=True)
        )
        mine = _lanes_of(values, k, n, plan.n_classes[stop], crop)
        there = None if where is None else _lanes_of(where, k, n, plan.n_classes[stop], crop)
        yield member, finished(job.numbers, stop, mine, job.sizes, there)


def _lanes_of(
    values: np.ndarray, k: int, n: int, n_classes: int, crop: tuple[slice, ...]
) -> np.ndarray:
    """The k-th of n sweeps side by side: shape (limbs * n * classes, *window) to its own."""
    apart = values.reshape(-1, n, n_classes, *values.shape[1:])
    mine = apart[:, k][(slice(None), slice(None), *crop)]
    return mine.reshape(-1, *mine.shape[2:])
