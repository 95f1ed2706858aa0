"""How a check comes to its verdict: equal, close, in an interval, below a bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from erfgraph.theory import Fit
from erfgraph.verification.nouns import Outcome

ROUNDING = 1e-12  # relative; some hundred float64 operations in a row stay below


def plain(value: Any) -> Any:
    """A value that JSON knows: fractions and arrays as numbers, texts and lists."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def equal(expected: Any, found: Any, detail: str = "") -> Outcome:
    """Exactly equal."""
    expected, found = plain(expected), plain(found)
    return Outcome(expected, found, expected == found, detail)


def all_equal(cases: Iterable[tuple[str, Any, Any]], what: str) -> Outcome:
    """Exactly equal in every case of (name, expected, found); there must be one."""
    names, differ = [], []
    for name, expected, found in cases:
        names.append(name)
        if plain(expected) != plain(found):
            differ.append(name)
    return _counted(names, differ, what)


def all_close(
    cases: Iterable[tuple[str, Any, Any]], what: str, tolerance: float = ROUNDING
) -> Outcome:
    """Equal but for rounding in every case: relative to the largest value of the case."""
    names, differ, worst = [], [], 0.0
    for name, expected, found in cases:
        names.append(name)
        want, got = np.asarray(expected, dtype=float), np.asarray(found, dtype=float)
        error = math.inf
        if want.shape == got.shape and np.isfinite(got).all():
            error = float(np.abs(got - want).max() / np.abs(want).max())
        worst = max(worst, error)
        if not error <= tolerance:
            differ.append(name)
    made = _counted(names, differ, what)
    said = f"largest relative difference {worst:.1g}, allowed {tolerance:.0e} (rounding)"
    return Outcome(made.expected, made.found, made.passed, f"{made.detail}; {said}")


def _counted(names: list[str], differ: list[str], what: str) -> Outcome:
    n = len(names)
    detail = f"{what}: {', '.join(names[:4])}{', …' if n > 4 else ''}"
    if differ:
        detail += f"; not {', '.join(differ[:4])}{', …' if len(differ) > 4 else ''}"
    return Outcome(
        f"equal on {n} of {n}",
        f"equal on {n - len(differ)} of {n}",
        bool(n) and not differ,
        detail,
    )


def at_most(bound: float, found: float, why: str) -> Outcome:
    """No more than a bound; `why` says where the bound comes from."""
    return Outcome(f"at most {bound:.4g}", float(found), bool(found <= bound), why)


def at_least(bound: float, found: float, why: str) -> Outcome:
    """No less than a bound."""
    return Outcome(f"at least {bound:.4g}", float(found), bool(found >= bound), why)


def exponent(
    expected: float, fit: Fit, width: float, detail: str, confidence: float = 0.95
) -> Outcome:
    """A confidence interval that holds a value and is narrow enough to say something.

    Parameters
    ----------
    expected : float
    fit : Fit
    width : float
        Largest half-width: a wider interval would hold other laws' exponents, too.
    detail : str
    confidence : float
        Of the interval, for the text.
    """
    half = (fit.high - fit.low) / 2
    return Outcome(
        expected,
        f"{fit.slope:.3f} [{fit.low:.3f}, {fit.high:.3f}]",
        fit.holds(expected) and half <= width,
        f"{detail}; the {confidence:.3g} interval must hold it, at most ± {width:g} wide",
    )
