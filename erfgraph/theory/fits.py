"""Exact moments, exponents, and confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from erfgraph.errors import InputError


class Moments(NamedTuple):
    """Mean, variance and excess kurtosis; exact."""

    mean: Fraction
    variance: Fraction
    kurtosis: Fraction | None  # None without spread


def moments(values: Sequence[int]) -> Moments:
    """Exact moments of the positions 0, 1, 2, … weighted by integers.

    Raises
    ------
    InputError
        If the weights sum to 0.

    Examples
    --------
    >>> moments([1, 2, 1])
    Moments(mean=Fraction(1, 1), variance=Fraction(1, 2), kurtosis=Fraction(-1, 1))
    """
    total = sum(values)
    if not total:
        raise InputError("values: got weights that sum to 0, wanted a map that is not empty")
    mean = Fraction(sum(i * v for i, v in enumerate(values)), total)
    second = sum(v * (i - mean) ** 2 for i, v in enumerate(values)) / Fraction(total)
    fourth = sum(v * (i - mean) ** 4 for i, v in enumerate(values)) / Fraction(total)
    return Moments(mean, second, fourth / second**2 - 3 if second else None)


@dataclass(frozen=True, slots=True)
class Fit:
    """A slope with its confidence interval.

    Attributes
    ----------
    slope, low, high : float
    """

    slope: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.low <= value <= self.high


def fit_power(x: Sequence[float], y: Sequence[float], confidence: float = 0.95) -> Fit:
    """The exponent of a power law: ordinary least squares of log y on log x.

    Parameters
    ----------
    x, y : sequences of positive floats, three or more
    confidence : float

    Returns
    -------
    Fit
        The interval is Student's, from the residuals, with two degrees of freedom less than
        there are points.

    Raises
    ------
    InputError
        If there are fewer than three points, or one is not positive.

    Examples
    --------
    >>> fit = fit_power([1, 2, 4, 8], [1.01, 1.41, 2.0, 2.83])
    >>> round(fit.slope, 2), fit.holds(0.5), fit.holds(0.6)
    (0.5, True, False)
    """
    if len(x) < 3 or len(x) != len(y) or min(*x, *y) <= 0:
        raise InputError(
            f"fit: got {len(x)} and {len(y)} values, wanted three or more pairs above 0"
        )
    u, v = np.log(np.asarray(x, dtype=float)), np.log(np.asarray(y, dtype=float))
    u = u - u.mean()
    spread = float((u**2).sum())
    slope = float((u * v).sum()) / spread
    rest = v - v.mean() - slope * u
    error = math.sqrt(float((rest**2).sum()) / (len(u) - 2) / spread)
    half = student(len(u) - 2, confidence) * error
    return Fit(slope, slope - half, slope + half)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Fit:
    """The mean of independent values with Student's confidence interval.

    Raises
    ------
    InputError
        If there are fewer than two values.

    Examples
    --------
    >>> found = mean_interval([1.0, 2.0, 3.0])
    >>> round(found.low, 2), found.slope, round(found.high, 2)
    (-0.48, 2.0, 4.48)
    """
    if len(values) < 2:
        raise InputError(f"values: got {len(values)}, wanted two or more")
    data = np.asarray(values, dtype=float)
    half = student(len(data) - 1, confidence) * float(data.std(ddof=1)) / math.sqrt(len(data))
    return Fit(float(data.mean()), float(data.mean()) - half, float(data.mean()) + half)


def student(freedom: int, confidence: float) -> float:
    """How many standard errors a two-sided interval of Student's t reaches.

    Examples
    --------
    >>> round(student(10, 0.95), 3)
    2.228
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))
