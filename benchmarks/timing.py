"""Two works timed side by side in one run, and what that says of a goal."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# seconds that one go takes, averaged over as many goes as take at least the given seconds
Clock = Callable[[float], float]

MOST_ELSEWHERE = 0.2  # processors that other work may take before it is said to disturb
TICKS = 0.02  # seconds; the system counts in hundredths


# --- clocks -------------------------------------------------------------------------------


def averaged(go: Callable[[], float], least: float) -> float:
    """Mean of what `go` returns, over as many goes as sum up to `least`, one at the least."""
    n, spent = 0, 0.0
    while n == 0 or spent < least:
        spent += go()
        n += 1
    return spent / n


def calls(call: Callable[[], object]) -> Clock:
    """The time of a call."""

    def clock(least: float) -> float:
        n, start = 0, time.perf_counter()
        while True:
            call()
            n += 1
            if (spent := time.perf_counter() - start) >= least:
                return spent / n

    return clock


def anew(make: Callable[[], Any], call: Callable[[Any], object]) -> Clock:
    """The time of a call on something made anew before each, the making not counted."""

    def go() -> float:
        made = make()
        gc.collect()  # of the making's cycles, so that the call does not pay for them
        start = time.perf_counter()
        call(made)
        return time.perf_counter() - start

    return lambda least: averaged(go, least)


def process(command: Sequence[str]) -> Clock:
    """The time of a whole process."""
    return calls(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))


def statement(code: str) -> Clock:
    """The time of a statement in a new interpreter, whose own start does not count."""
    timed = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", timed]

    def go() -> float:
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    return lambda least: averaged(go, least)


# --- rows ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """How a pair of times becomes one number, and whether more of it is better."""

    of: Callable[[float, float], float]  # time of the work, time of what it is held against
    words: str
    more: bool


READINGS = {
    "faster": Reading(lambda a, b: b / a, "times faster", more=True),
    "as long": Reading(lambda a, b: a / b, "times as long", more=False),
    "later": Reading(lambda a, b: a - b, "s more", more=False),
}


@dataclass(frozen=True)
class Work:
    """Something that takes time."""

    name: str
    clock: Clock


@dataclass(frozen=True)
class Row:
    """A work, what it is held against, and the goal for the two; without one it only informs."""

    work: Work
    against: Work
    reading: str
    goal: float | None = None
    note: str = ""  # beside the goal
    long: bool = False  # left out of a quick run


@dataclass(frozen=True)
class Fact:
    """Something that is no time: a number with the most it may be, or a claim that holds."""

    name: str
    against: str
    find: Callable[[], float | bool]
    goal: float | None = None
    long: bool = False


@dataclass(frozen=True)
class Line:
    """What was found, in words, and whether the goal is met (None: there is none)."""

    work: str
    took: str
    against: str
    against_took: str
    found: str
    goal: str
    met: bool | None
    excess: float = 0.0  # how many times the goal is missed by, 1 where it is just met
    calm: bool = True


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    least: float  # seconds of each time in a round
    budget: float  # seconds after which a row starts no further round


FULL = Effort(rounds=11, least=0.1, budget=40)
QUICK = Effort(rounds=3, least=0.02, budget=15)


@dataclass(frozen=True)
class Round:
    """Times of the two, one after the other, and whether no other work disturbed them."""

    ours: float
    theirs: float
    calm: bool


def elsewhere() -> float:
    """Processor seconds that other processes have taken so far; 0 where the system hides it."""
    try:
        counts = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, *interrupted = map(int, counts[:8])
    busy = (user + nice + system + sum(interrupted)) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])  # less this process and its children


def one_round(row: Row, least: float) -> Round:
    start, others = time.perf_counter(), elsewhere()
    ours, theirs = row.work.clock(least), row.against.clock(least)
    spent, others = time.perf_counter() - start, elsewhere() - others
    return Round(ours, theirs, calm=others <= MOST_ELSEWHERE * spent + TICKS)


def side_by_side(row: Row, effort: Effort) -> list[Round]:
    """Times of the two in turn, A B A B: of calm rounds, as many as wanted, if there are any.

    The first round warms up and counts only if it has spent the budget.
    """
    start = time.perf_counter()
    first, rounds = one_round(row, 0), list[Round]()
    while time.perf_counter() - start < effort.budget and len(rounds) < 3 * effort.rounds:
        rounds.append(one_round(row, effort.least))
        if sum(found.calm for found in rounds) == effort.rounds:
            break
    rounds = rounds or [first]
    return [found for found in rounds if found.calm] or rounds


def read(row: Row, rounds: Sequence[Round]) -> Line:
    """The line of a row from its times: the median over the rounds."""
    reading = READINGS[row.reading]
    found = statistics.median(reading.of(r.ours, r.theirs) for r in rounds)
    ours = statistics.median(r.ours for r in rounds)
    theirs = statistics.median(r.theirs for r in rounds)
    goal, met, excess = "", None, 0.0
    if row.goal is not None:
        goal = f"at {'least' if reading.more else 'most'} {number(row.goal)}{row.note}"
        met = found >= row.goal if reading.more else found <= row.goal
        excess = row.goal / found if reading.more else found / row.goal
    return Line(
        work=row.work.name,
        took=duration(ours),
        against=row.against.name,
        against_took=duration(theirs),
        found=f"{number(found)} {reading.words}",
        goal=goal,
        met=met,
        excess=excess,
        calm=all(r.calm for r in rounds),
    )


def check(fact: Fact) -> Line:
    """The line of a fact."""
    found = fact.find()
    if fact.goal is None:
        text, goal, excess = ("yes" if found else "no"), "yes", 0.0 if found else float("inf")
    else:
        text, goal, excess = number(found), f"at most {number(fact.goal)}", found / fact.goal
    return Line(fact.name, "", fact.against, "", text, goal, excess <= 1, excess)


def line(row: Row | Fact, effort: Effort) -> Line:
    return check(row) if isinstance(row, Fact) else read(row, side_by_side(row, effort))


# --- words --------------------------------------------------------------------------------


def number(value: float) -> str:
    """Three digits that count, never with an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds / 1e-6)} µs"
