"""Running a plan: lowered on the first call, replayed on the next ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from erfgraph import memory
from erfgraph.lowering import lower
from erfgraph.number_types import Numbers
from erfgraph.plan import Plan
from erfgraph.program import Program, replay


def run(
    plan: Plan,
    numbers: Numbers,
    keep: Iterable[int] = (),
    seed: np.ndarray | None = None,
    more: Mapping[int, np.ndarray] | None = None,
    once: bool = False,
    out: np.ndarray | None = None,
) -> dict[int, np.ndarray]:
    """Move numbers through a plan.

    Parameters
    ----------
    plan, numbers, keep, more
        As for `lower`.
    seed : array, shape (lanes, *window), optional
        What the start map holds; default the plan's seeds.
    once : bool, optional
        Whether the program is not worth keeping for the next call.
    out : array, shape (lanes, *window), optional
        Where the numbers of the last map go, if that alone is wanted and it is not a copy of
        another; default a new array.

    Returns
    -------
    dict
        For every kept map with a window, its numbers, shape (lanes, *window); lanes are
        limbs x classes.

    Raises
    ------
    SizeError
        If what is held at one time does not fit into memory.
    """
    wanted = frozenset(keep)
    if once:
        return replay(lower(plan, numbers, wanted, more), seed, out)
    key = (plan, numbers, wanted, Same(more))
    with borrowed(key, lambda: lower(plan, numbers, wanted, more)) as program:
        return replay(program, seed, out)


# --- programs for later calls ---------------------------------------------------------------

MOST_BYTES = 1 << 27
MOST_PROGRAMS = 512

_idle: OrderedDict[Hashable, list[Program]] = OrderedDict()  # the one used last comes last
_held = [0, 0]  # programs that are idle, and their bytes
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Same:
    """An object as part of a key: equal where it is the very same."""

    thing: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


@contextmanager
def borrowed(key: Hashable, make: Callable[[], Program]) -> Iterator[Program]:
    """A program of a key for the caller alone, who leaves it to the next one with this key.

    Two threads that ask at the same time get two programs. The programs used last are kept.
    """
    with _lock:
        program = _pop(key)
    if program is None:
        with memory.collector_paused():
            program = make()
    try:
        yield program
    finally:
        with _lock:
            _push(key, program)


def _pop(key: Hashable) -> Program | None:
    programs = _idle.get(key)
    if not programs:
        return None
    program = programs.pop()
    if not programs:
        del _idle[key]
    _count(-1, program)
    return program


def _push(key: Hashable, program: Program) -> None:
    if program.n_bytes > MOST_BYTES // 4:
        return
    _idle.setdefault(key, []).append(program)
    _idle.move_to_end(key)
    _count(1, program)
    while _held[0] > MOST_PROGRAMS or _held[1] > MOST_BYTES:
        _, dropped = _idle.popitem(last=False)
        for old in dropped:
            _count(-1, old)


def _count(sign: int, program: Program) -> None:
    _held[0] += sign
    _held[1] += sign * program.n_bytes
