"""Ask every tool for receptive fields about the same networks, and print the answers as Markdown.

Run from the repository's root: ``python -m benchmarks.tools [TOOL ...] [-o FILE]``. A tool that is
not installed has a line that says so. To install them, in an environment of their own::

    pip install ".[torch,tools]"
    pip install "pip<24.1" && pip install receptivefield  # newer ones refuse its metadata
    pip install --no-deps --ignore-requires-python rfa-toolbox && pip install attrs graphviz
    git clone https://github.com/jotaf98/easy-receptive-fields-pytorch
    git clone https://github.com/Fangyh09/pytorch-receptive-field

and name the folder that holds the two clones with ``--clones``.
"""

from __future__ import annotations

import argparse
import math
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.markdown import cells, head, keep
from benchmarks.table import DISTURBED, machine
from benchmarks.timing import Effort, Row, Work, calls, read, side_by_side
from benchmarks.tool_networks import CASES, SMALL, WHOLE, Case, made
from benchmarks.tool_peers import Answer, NotGivenError, Tool, silence, tools
from benchmarks.tool_truth import Truth, truth

THREADS = 2
WRONG = "✗"
EFFORT = Effort(rounds=3, least=0.0, budget=40)
LONGEST = 110  # characters of a message
BUSY = f"{DISTURBED} Other work kept the processors busy meanwhile: only the order of size counts."


NOTHING = Answer()


# --- asking -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What a tool said of a case: an answer, or why there is none."""

    answer: Answer = NOTHING
    refusal: str = ""
    instead: str = ""


def asked(tool: Tool, case: Case) -> Said:
    """Ask on a network made anew, whatever the tool does to it or prints."""
    module = made(case)
    try:
        with silence():
            return Said(tool.ask(module, case.side))
    except NotGivenError as error:
        return Said(instead=str(error))
    except Exception as error:  # whatever a tool raises is its answer
        return Said(refusal=f"{type(error).__name__}: {error}")


# --- judging ------------------------------------------------------------------------------


def digits(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:g}".replace("-", "−")


def marked(value: float, right: bool) -> str:
    return digits(value) if right else f"{WRONG}\N{NO-BREAK SPACE}{digits(value)}"


def judged(said: Said, right: Truth, case: Case) -> str:
    """Size; stride; centre of the first unit, as far as they are given."""
    answer = said.answer
    if said.refusal:
        return "refuses"
    if answer.size is None:
        return "–"
    if answer.size == case.side and max(right.sizes) > case.side:
        return f"{digits(answer.size)} (image)"
    pairs = (
        (answer.size, right.sizes),
        (answer.stride, {right.stride}),
        (answer.start, right.starts),
    )
    return "; ".join(marked(value, value in good) for value, good in pairs if value is not None)


def expected(right: Truth) -> str:
    """All that counts as right."""
    numbers = (right.sizes, {right.stride}, right.starts)
    return "; ".join(", ".join(digits(value) for value in sorted(good)) for good in numbers)


# --- time ---------------------------------------------------------------------------------


def compared(tool: Tool, ours: Tool, case: Case) -> str:
    """How long a tool takes, over erfgraph's time from module to table, in turn."""

    def work(who: Tool) -> Work:
        module = made(case)

        def ask() -> None:
            with suppress(NotGivenError):
                who.ask(module, case.side)

        return Work(who.name, calls(ask))

    try:
        with silence():
            row = Row(work(tool), work(ours), "as long")
            found = read(row, side_by_side(row, EFFORT))
    except Exception:
        return "–"
    mark = "" if found.calm else f" {DISTURBED}"
    return f"{found.found.split()[0]} × ({found.took}){mark}"


# --- Markdown -----------------------------------------------------------------------------

Answers = Mapping[tuple[str, str], Said]


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [*head(names), *(cells(*row) for row in rows), ""]


def verdicts(
    theme: str, who: Sequence[Tool], answers: Answers, rights: Mapping[str, Truth]
) -> list[str]:
    """The table of one theme: a row for everyone who gives numbers at all."""
    cases = [case for case in CASES if case.theme == theme]
    rows = [["*right*", *(expected(rights[case.name]) for case in cases)]]
    for tool in who:
        texts = [judged(answers[tool.name, c.name], rights[c.name], c) for c in cases]
        if any(text != "–" for text in texts):
            rows.append([tool.name, *texts])
    return [f"{theme}:", "", *table(["", *(case.name for case in cases)], rows)]


def conditions(who: Sequence[Tool], times: Mapping[str, str]) -> list[str]:
    names = ["", "version", "licence", "gives", "needs", "time on VGG-16"]
    rows = []
    for tool in who:
        version = tool.version()
        if version is None:
            rows.append([tool.name, "not installed", "", tool.gives, tool.needs, ""])
        else:
            rows.append(
                [tool.name, version, tool.licence(), tool.gives, tool.needs, times[tool.name]]
            )
    return ["What each gives and needs:", "", *table(names, rows)]


def shortened(text: str) -> str:
    return textwrap.shorten(text, LONGEST, placeholder=" …").rstrip(": ")


def messages(who: Sequence[Tool], answers: Answers) -> Iterator[str]:
    """What tools say that refuse, or give something else: one line each."""
    for tool in who:
        told: dict[str, list[str]] = {}
        for case in CASES:
            said = answers[tool.name, case.name]
            if text := f"`{shortened(said.refusal)}`" if said.refusal else said.instead:
                told.setdefault(text, []).append(case.name)
        for text, names in told.items():
            where = "all" if len(names) == len(CASES) else "; ".join(names)
            yield f"- {tool.name} ({where}): {text}"


def report(who: Sequence[Tool], ours: Tool, timed: bool) -> list[str]:
    """Everything, as lines; times are over those of `ours`."""
    here = [tool for tool in who if tool.version() is not None]
    rights = {case.name: truth(case) for case in CASES}
    answers = dict[tuple[str, str], Said]()
    for tool in here:
        print(f"asking {tool.name}", file=sys.stderr)
        answers.update({(tool.name, case.name): asked(tool, case) for case in CASES})
    times = dict.fromkeys((tool.name for tool in here), "1 ×" if timed else "")
    for tool in here:
        if timed and tool.name != ours.name:
            print(f"timing {tool.name}", file=sys.stderr)
            times[tool.name] = compared(tool, ours, CASES[0])
    return [
        *verdicts(WHOLE, here, answers, rights),
        *verdicts(SMALL, here, answers, rights),
        *conditions(who, times),
        *([BUSY, ""] if any(DISTURBED in text for text in times.values()) else []),
        "What was said instead of a number:",
        "",
        *(list(messages(here, answers)) or ["- nothing"]),
        "",
        machine(),
    ]


# --- command ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="TOOL", help="ask these alone")
    parser.add_argument("--clones", type=Path, default=Path(), help="folder of the two clones")
    parser.add_argument("--no-times", action="store_true", help="only what they answer")
    parser.add_argument("-o", "--output", type=Path, help="file for the tables")
    options = parser.parse_args(arguments)
    everyone = tools(options.clones)
    known = [tool.name for tool in everyone]
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no tool {unknown[0]!r}; there are {', '.join(known)}")
    torch.set_num_threads(THREADS)
    who = [tool for tool in everyone if not options.names or tool.name in options.names]
    text = report(who, everyone[0], timed=not options.no_times)
    print(*text, sep="\n")
    keep(options.output, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
