"""Print speed as ratios, every pair measured side by side in one run, as Markdown.

Run from the repository's root: ``python -m benchmarks.table [--quick] [-o FILE]``. Each pair is
timed in turn, A B A B …, and the median over the rounds is what counts. A missed goal is said
in its line; with ``--check`` the exit status is 1 as well, if one is missed by more than
``--slack`` times.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata, util
from pathlib import Path

from benchmarks.markdown import cells, head, keep
from benchmarks.rows import chains, graphs, processes, sweeps
from benchmarks.timing import FULL, QUICK, Effort, Fact, Line, Row, line

HEAD = ("work", "time", "against", "time", "found", "goal")
PACKAGES = ("numpy", "scipy", "torch")
DISTURBED = "†"


# --- what is measured ---------------------------------------------------------------------


def gradient_rows() -> Sequence[Row]:
    """The rows against PyTorch on two threads, none where it is not installed."""
    if util.find_spec("torch") is None:
        return []
    import torch

    from benchmarks import peers
    from benchmarks.rows import gradients

    torch.set_num_threads(peers.THREADS)
    return gradients.rows()


THEMES: dict[str, Callable[[], Iterable[Row | Fact]]] = {
    "gradients": gradient_rows,
    "sweeps": sweeps.rows,
    "graphs": graphs.rows,
    "chains": chains.rows,
    "processes": processes.rows,
}


def lines(themes: Iterable[str], quick: bool, effort: Effort) -> Iterator[Line]:
    """Measure theme after theme."""
    for theme in themes:
        yield from (line(row, effort) for row in THEMES[theme]() if not (quick and row.long))


# --- Markdown -----------------------------------------------------------------------------


def markdown(found: Line) -> str:
    goal = f"**missed:** {found.goal}" if found.met is False else found.goal
    what = found.found if found.calm else f"{found.found} {DISTURBED}"
    return cells(found.work, found.took, found.against, found.against_took, what, goal)


def summary(found: Sequence[Line]) -> str:
    """How many goals are met, and which are not."""
    goals = [row for row in found if row.met is not None]
    missed = [f"{row.work} ({row.found})" for row in goals if not row.met]
    met = f"{len(goals) - len(missed)} of {len(goals)} goals are met"
    return f"{met}; missed: {'; '.join(missed)}." if missed else f"{met}."


def processor() -> str:
    """What the system calls its processor."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    names = [at.partition(":")[2].strip() for at in text.splitlines() if "model name" in at]
    return names[0] if names else platform.processor() or platform.machine()


def machine() -> str:
    """Processor, versions and threads, in one sentence."""
    versions = [
        f"{name} {metadata.version(name)}"
        if util.find_spec(name)
        else f"no {name}, so rows against it are left out"
        for name in PACKAGES
    ]
    parts = [f"{os.cpu_count()} × {processor()}", f"Python {platform.python_version()}", *versions]
    return f"Measured on {', '.join(parts)}; PyTorch on two threads."


def below(found: Sequence[Line]) -> list[str]:
    """What stands under the table."""
    disturbed = (
        f"{DISTURBED} Other work kept the processors busy all the while: not to be trusted, "
        "least of all against PyTorch, whose threads wait for each other."
    )
    note = [] if all(row.calm for row in found) else [disturbed, ""]
    return [*note, summary(found), "", machine()]


# --- command ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("themes", nargs="*", metavar="THEME", help=", ".join(THEMES))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, nothing that is long")
    parser.add_argument("--check", action="store_true", help="exit status 1 on a missed goal")
    parser.add_argument(
        "--slack", type=float, default=1.0, help="how many times a goal may be missed by"
    )
    parser.add_argument("-o", "--output", type=Path, help="file for the table")
    options = parser.parse_args(arguments)
    if unknown := [theme for theme in options.themes if theme not in THEMES]:
        parser.error(f"no theme {unknown[0]!r}; there are {', '.join(THEMES)}")
    text, found = head(HEAD), []
    print(*text, sep="\n", flush=True)
    for row in lines(options.themes or THEMES, options.quick, QUICK if options.quick else FULL):
        found.append(row)
        text.append(markdown(row))
        print(text[-1], flush=True)
    ending = ["", *below(found)]
    print(*ending, sep="\n")
    keep(options.output, [*text, *ending])
    failed = any(row.met is False and row.excess > options.slack for row in found)
    return 1 if failed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
