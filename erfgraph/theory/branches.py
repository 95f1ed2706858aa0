"""Skips and sub-paths: their variances, numbers, and mean squares."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from erfgraph.theory.chains import compose


def skip_variance(n: int, kernel: int = 3) -> Fraction:
    """Variance of the path map of n blocks "identity plus one layer of k taps", per axis.

    Of ``k + 1`` ways through a block one does not move: ``n k (k² - 1) / (12 (k + 1))``, n/2
    for 3 taps, against 2n/3 without the identities.

    Examples
    --------
    >>> from erfgraph.theory import chain_variance
    >>> skip_variance(6), chain_variance([3] * 6)
    (Fraction(3, 1), Fraction(4, 1))
    """
    return n * Fraction(kernel, kernel + 1) * Fraction(kernel**2 - 1, 12)


def residual_depths(n: int, ways: int = 1) -> list[int]:
    """Ways through n residual blocks, by how many of the n branches they take.

    Parameters
    ----------
    n : int
    ways : int
        Ways through one branch: 1 counts sub-paths (Veit et al. 2016), the taps of its layers
        multiplied count paths through positions.

    Returns
    -------
    list of int
        ``C(n, k) ways**k`` for k = 0 to n.

    Examples
    --------
    >>> residual_depths(4), residual_depths(2, ways=9)
    ([1, 4, 6, 4, 1], [1, 18, 81])
    """
    return [math.comb(n, k) * ways**k for k in range(n + 1)]


def binomial_share(n: int, low: int, high: int, p: Fraction = Fraction(1, 2)) -> Fraction:
    """Probability that Binomial(n, p) lies from low to high, both inclusive.

    Examples
    --------
    >>> float(binomial_share(54, 19, 35)) > 0.95
    True
    """
    return sum(
        (math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(low, high + 1)), Fraction(0)
    )


def residual_mean_square(n: int, gain: Fraction, kernel: int = 3, layers: int = 1) -> list[Any]:
    """Mean-square gradient map of n residual blocks of equal width, one axis.

    Parameters
    ----------
    n : int
        Blocks, each the identity plus a branch.
    gain : Fraction
        Of one layer of a branch: fan-in times the variance of its weights, halved by a ReLU.
    kernel, layers : int
        Taps of a layer, layers of a branch.

    Returns
    -------
    list of Fraction
        ``(1 + (gain/k [1, …, 1])^layers)^n`` as polynomials, over the number of positions that
        it reaches; the sum is ``(1 + gain**layers)**n``.

    Notes
    -----
    With independent zero-mean weights the cross terms of two paths vanish, so the mean square
    is the sum over paths of the product of the variances; the C channels of a layer, each of
    variance ``gain / (C k)``, add up to ``gain / k`` a tap.

    Examples
    --------
    >>> [str(v) for v in residual_mean_square(1, Fraction(1))]
    ['1/3', '4/3', '1/3']
    """
    branch = compose([[gain / kernel] * kernel] * layers)
    branch[len(branch) // 2] += 1
    return compose([branch] * n)
