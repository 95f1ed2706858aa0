"""Where the time of a path map goes, and how far it is from what the machine allows.

Run from the repository's root: ``python -m benchmarks.breakdown [-o FILE]``. Per network, in one
run, as shares of the whole call:

- *program*: the replay of its array operations, without what surrounds it;
- *contiguous*: as many additions of as many numbers, one call each, on arrays without strides;
- *in cache*: all these additions on arrays that stay in the second cache, in long calls;
- *calls*: as many calls of NumPy on single numbers: what the interpreter takes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import erfgraph as eg
from benchmarks.markdown import cells, head, keep
from benchmarks.timing import calls
from erfgraph.lowering import lower
from erfgraph.paths import scaled_numbers
from erfgraph.plan import plan_for
from erfgraph.program import Program, Slot, replay

CACHED = 8192  # numbers of an array that stays in the second cache, with two others
CASES = (("resnet50", 224), ("resnet50", 1024), ("resnet152", 224), ("densenet121", 224))
HEAD = ("network", "operations", "numbers added", "program", "contiguous", "in cache", "calls")


def program_of(net: eg.Network) -> Program:
    """The float64 program of the path map of the centre unit."""
    unit = tuple(n // 2 for n in net.output.shape)
    plan = plan_for(net, "backward", net.output.index, unit, stop=0)
    return lower(plan, scaled_numbers(plan), [0])


def sizes(program: Program) -> list[int]:
    """How many numbers each operation writes."""
    result = np.empty(program.result[1] if program.result else 0)
    found = []
    for function, arguments in program.operations + program.last:
        out = arguments[0] if function is np.copyto else arguments[-1]
        found.append((result[out.where] if isinstance(out, Slot) else out).size)
    return found


def additions(numbers: Sequence[int]) -> Callable[[], None]:
    """Additions of so many numbers, a call of NumPy each, of arrays without strides."""
    a, b, c = (np.zeros(max(numbers)) for _ in range(3))
    triples = [(a[:n], b[:n], c[:n]) for n in numbers]

    def add() -> None:
        for triple in triples:
            np.add(*triple)

    return add


def in_cache(numbers: Sequence[int]) -> Callable[[], None]:
    """As many additions in long calls on arrays that stay in the second cache."""
    return additions([CACHED] * (sum(numbers) // CACHED))


def shares(net: eg.Network, rounds: int, least: float) -> tuple[Program, list[float]]:
    """Of the whole call, what its program takes, and what its additions would."""
    program = program_of(net)
    numbers = sizes(program)
    whole = calls(lambda: eg.importance(net, exact=False).counts)
    parts = [
        calls(work)
        for work in (
            lambda: replay(program),
            additions(numbers),
            in_cache(numbers),
            additions([1] * len(numbers)),
        )
    ]
    found = []
    whole(0)  # compiles
    for _ in range(rounds):
        once = whole(least)
        found.append([part(least) / once for part in parts])
    return program, [statistics.median(column) for column in zip(*found, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    options = parser.parse_args(arguments)
    rounds, least = (1, 0.02) if options.quick else (9, 0.1)
    text = head(HEAD)
    print(*text, sep="\n", flush=True)
    for name, size in CASES:
        program, found = shares(eg.load(name, (size, size)), rounds, least)
        numbers = sizes(program)
        percent = [f"{100 * share:.0f} %" for share in found]
        text.append(cells(f"{name}, {size}²", f"{len(numbers)}", f"{sum(numbers):,}", *percent))
        print(text[-1], flush=True)
    keep(options.output, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
