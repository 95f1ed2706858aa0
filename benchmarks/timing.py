"""Two works timed side by side in one run, and what that says of a goal."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# seconds that one go takes, averaged over as many goes as take at least the given seconds
Clock = Callable[[float], float]


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


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    least: float  # seconds of each time in a round
    budget: float  # seconds after which a row starts no further round


FULL = Effort(rounds=11, least=0.1, budget=40)
QUICK = Effort(rounds=3, least=0.02, budget=15)


def side_by_side(row: Row, effort: Effort) -> list[tuple[float, float]]:
    """Times of the two in turn, A B A B.

    The first pair warms up and counts only if it has spent the budget.
    """
    start = time.perf_counter()
    pairs = [(row.work.clock(0), row.against.clock(0))]
    while time.perf_counter() - start < effort.budget and len(pairs) <= effort.rounds:
        pairs.append((row.work.clock(effort.least), row.against.clock(effort.least)))
    return pairs[1:] or pairs


def read(row: Row, pairs: Sequence[tuple[float, float]]) -> Line:
    """The line of a row from its times: the median over the rounds."""
    reading = READINGS[row.reading]
    found = statistics.median(reading.of(a, b) for a, b in pairs)
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
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
