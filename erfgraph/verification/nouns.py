"""The nouns of the theory suite: `Claim`, `Request`, `Outcome`, `Check`, `Verification`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from erfgraph.display import Shown
from erfgraph.network import Network
from erfgraph.tables import FORMATS

HOWS = ("closed form", "enumeration", "explicit graph", "sweep", "autograd")
AUTOGRAD = "autograd"  # the way that needs PyTorch, and time
COLUMNS = ("check", "claim", "how", "expected", "found", "", "source")
SHORT = (0, 2, 3, 4, 5)  # of them, on a terminal
MOST_ITEMS = 6  # of a list that is shown


class LeftOutError(Exception):
    """A claim cannot be checked in this way on this network; its text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a check is asked.

    Attributes
    ----------
    how : str
        One of the claim's ways.
    seed : int
        For everything that is drawn.
    net : Network or None
        The network that it is asked of; None for claims that bring their own.
    """

    how: str
    seed: int = 0
    net: Network | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found: values ready for JSON, or texts.

    Attributes
    ----------
    expected, found
        What the claim says, and what there is.
    passed : bool
    detail : str
        On what; how the tolerance came about; where it differs.
    """

    expected: Any
    found: Any
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of a table of claims.

    Attributes
    ----------
    name : str
        ``group/claim``.
    text : str
        The claim, a sentence.
    source : str
    hows : tuple of str
        In which ways it is checked, each one of `HOWS`.
    run : callable
        Checks it in the way that a `Request` names.
    """

    name: str
    text: str
    source: str
    hows: tuple[str, ...]
    run: Callable[[Request], Outcome]

    @property
    def group(self) -> str:
        """The part of the name before the stroke."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Check:
    """One claim, checked in one way.

    Attributes
    ----------
    name : str
        ``group/claim``.
    claim : str
        The claim, a sentence.
    source : str
        Who says so.
    how : {"closed form", "enumeration", "explicit graph", "sweep", "autograd"}
        How what was found was found: by a formula, by walking every path (networkx), by
        sparse matrices of the explicit graph, by the matrix-free sweep, by PyTorch's autograd.
    expected, found
        What the claim says and what there is, ready for JSON.
    passed : bool
    detail : str
        On what; how the tolerance came about; where it differs.
    network : str or None
        The user's network that it was asked of; None for claims that bring their own.
    """

    name: str
    claim: str
    source: str
    how: str
    expected: Any
    found: Any
    passed: bool
    detail: str = ""
    network: str | None = None

    @property
    def title(self) -> str:
        """The name, with the network where there is one."""
        return f"{self.name} ({self.network})" if self.network else self.name

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON; a number that is not finite as a text."""
        return {key: _finite(getattr(self, key)) for key in self.__slots__}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A check that was not run.

    Attributes
    ----------
    name, how : str
    reason : str
    network : str or None
    """

    name: str
    how: str
    reason: str
    network: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {key: getattr(self, key) for key in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class Verification(Shown):
    """What the theory suite found.

    Attributes
    ----------
    rows : tuple of Check
        In the order of the claims; each claim once for every way.
    left_out : tuple of LeftOut
        What was not run, and why.
    seed : int

    Examples
    --------
    >>> import erfgraph as eg
    >>> found = eg.verify(quick=True, only="chains/three-sevens")
    >>> found.passed, [(row.how, row.found) for row in found.rows]
    (True, [('sweep', 37), ('explicit graph', 37), ('enumeration', 37)])
    """

    rows: tuple[Check, ...]
    left_out: tuple[LeftOut, ...]
    seed: int

    @property
    def passed(self) -> bool:
        """Whether every check that was run passed, and at least one was."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not."""
        return tuple(row for row in self.rows if not row.passed)

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        return {
            "passed": self.passed,
            "checks": len(self.rows),
            "failed": len(self.failed),
            "seed": self.seed,
            "rows": [row.to_dict() for row in self.rows],
            "left_out": [row.to_dict() for row in self.left_out],
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and lines, texts, a line each check."""
        return list(COLUMNS), [
            [
                row.title,
                row.claim,
                row.how,
                shown(row.expected),
                shown(row.found),
                "ok" if row.passed else "FAILS",
                row.source,
            ]
            for row in self.rows
        ]

    def to_text(self, form: str = "markdown") -> str:
        """The table as a text: ``"markdown"``, ``"csv"`` or ``"latex"``."""
        return FORMATS[form](*self.table())

    @property
    def summary(self) -> str:
        """How many passed, in one line."""
        text = f"{len(self.rows) - len(self.failed)} of {len(self.rows)} checks passed"
        return text + (f", {len(self.left_out)} left out" if self.left_out else "")


def _finite(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def shown(value: Any) -> str:
    """A value for people: six digits, the first items of a list.

    Examples
    --------
    >>> shown(1 / 3), shown([1, 3, 7]), shown(list(range(9))), shown("at most 2")
    ('0.333333', '1, 3, 7', '0, 1, 2, 3, 4, 5, …', 'at most 2')
    """
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        nested = [isinstance(v, list | tuple) for v in value]
        texts = [
            f"({shown(v)})" if inner else shown(v)
            for v, inner in zip(value[:MOST_ITEMS], nested, strict=False)
        ]
        return ", ".join(texts) + (", …" if len(value) > MOST_ITEMS else "") or "none"
    return str(value)
