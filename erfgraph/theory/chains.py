"""Plain chains: their path counts, edges, moments and the Gaussian that they tend to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any


def compose(kernels: Sequence[Sequence[Any]]) -> list[Any]:
    """The kernel of a chain of stride-1 layers: the full convolution of all their kernels.

    Parameters
    ----------
    kernels : sequence of sequences of numbers
        Taps of each layer on one axis; ints stay exact.

    Returns
    -------
    list
        ``1 + sum (k - 1)`` taps; ``[1]`` for no kernel.

    Examples
    --------
    >>> compose([[1, 1, 1], [1, 0, -1]])
    [1, 1, 0, -1, -1]
    """
    found: list[Any] = [1]
    for kernel in kernels:
        longer = [0] * (len(found) + len(kernel) - 1)
        for i, a in enumerate(found):
            for j, b in enumerate(kernel):
                longer[i + j] += a * b
        found = longer
    return found


def chain_paths(kernels: Sequence[int]) -> list[int]:
    """Path counts of a chain of stride-1 layers: the convolution of boxes of ones, one axis.

    Parameters
    ----------
    kernels : sequence of int
        Taps of each layer.

    Returns
    -------
    list of int
        Binomial for kernels of 2, trinomial for 3. In D axes the map is the outer product of
        the axes'.

    Notes
    -----
    The coefficients of the product of ``1 + x + … + x**(k - 1)``.

    Examples
    --------
    >>> chain_paths([3, 3, 3]), max(chain_paths([7, 7, 7]))
    ([1, 3, 6, 7, 6, 3, 1], 37)
    """
    return compose([[1] * k for k in kernels])


def central_trinomial(n: int) -> int:
    """Paths from the centre through n layers of 3 taps: ``sum_k n! / (k!² (n - 2k)!)``.

    Examples
    --------
    >>> [central_trinomial(n) for n in range(1, 6)]
    [1, 3, 7, 19, 51]
    """
    return sum(math.comb(n, 2 * k) * math.comb(2 * k, k) for k in range(n // 2 + 1))


def chain_edges(n: int, kernel: int = 3) -> int:
    """Edges on paths from the centre of the input to the one unit above n odd-kernel layers.

    After l layers the paths have spread over the units at most ``r min(l, n - l)`` from the
    centre, r being half the kernel; an edge joins two such units at most r apart.

    Examples
    --------
    >>> chain_edges(5)
    37
    """
    half = kernel // 2
    total = 0
    for layer in range(1, n + 1):
        below, above = (half * min(at, n - at) for at in (layer - 1, layer))
        total += sum(
            min(u + half, above) - max(u - half, -above) + 1 for u in range(-below, below + 1)
        )
    return total


def chain_variance(
    kernels: Sequence[int],
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
) -> Fraction:
    """Variance of a chain's path map on one axis, squared positions.

    Parameters
    ----------
    kernels, strides, dilations : sequence of int
        One per layer; strides and dilations default to 1.

    Returns
    -------
    Fraction

    Notes
    -----
    A path's position is a sum of independent steps, one a layer, uniform over the taps: ``sum
    (k_l² - 1)/12 · (d_l · prod_{i<l} s_i)²``, so n(k² - 1)/12 for n equal plain layers.

    Examples
    --------
    >>> chain_variance([3] * 6), chain_variance([3, 3], strides=[2, 1])
    (Fraction(4, 1), Fraction(10, 3))
    """
    total, jump = Fraction(0), 1
    strides = strides or [1] * len(kernels)
    dilations = dilations or [1] * len(kernels)
    for k, s, d in zip(kernels, strides, dilations, strict=True):
        total += Fraction(k * k - 1, 12) * (d * jump) ** 2
        jump *= s
    return total


def chain_kurtosis(n: int, kernel: int = 3) -> Fraction:
    """Excess kurtosis of the path map of n equal layers: ``-6(k² + 1) / (5(k² - 1) n)``.

    That of one uniform step over n, as cumulants add: -1.5/n for 3 taps.

    Examples
    --------
    >>> chain_kurtosis(6)
    Fraction(-1, 4)
    """
    return Fraction(-6 * (kernel**2 + 1), 5 * (kernel**2 - 1) * n)


def gaussian_distance(kurtosis: float) -> float:
    """Total variation between a symmetric map and the Gaussian of its variance, leading term.

    Parameters
    ----------
    kurtosis : float
        Excess kurtosis, small.

    Returns
    -------
    float

    Notes
    -----
    Edgeworth's series: the map is ``φ(x) (1 + κ/24 He₄(x) + …)``, so that the distance is
    ``|κ|/48 E|He₄|``, and of a chain falls as 1/n. He₄ = x⁴ - 6x² + 3 is the derivative that
    ``-He₃ φ`` has over φ, and changes sign at ``sqrt(3 ± √6)``.

    Examples
    --------
    >>> round(gaussian_distance(-1.5 / 100), 6)
    0.000875
    """
    roots = (math.sqrt(3 - math.sqrt(6)), math.sqrt(3 + math.sqrt(6)))
    near, far = (-(x**3 - 3 * x) * math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) for x in roots)
    return abs(kurtosis) / 48 * 4 * (near - far)


def gaussian_side(variance: float, threshold: float, axes: int = 2) -> float:
    """Equivalent side of the ERF of a Gaussian map at a share of its peak.

    Parameters
    ----------
    variance : float
        Per axis, squared positions.
    threshold : float
        Share of the peak.
    axes : int

    Returns
    -------
    float
        ``volume ** (1 / axes)`` of the ball of radius ``sqrt(2 variance ln(1 / threshold))``;
        it grows with the standard deviation, as the root of a chain's depth.

    Examples
    --------
    >>> round(gaussian_side(40 / 3, 0.0455), 2)
    16.09
    """
    radius = math.sqrt(2 * variance * math.log(1 / threshold))
    return float(math.sqrt(math.pi) * radius / math.gamma(axes / 2 + 1) ** (1 / axes))
