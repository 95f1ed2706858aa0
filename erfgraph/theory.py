"""Closed forms: what path counts must be, from formulas alone.

Nothing here looks at a network, a graph or a sweep; `erfgraph.verification` compares those with
these. Integers are Python's and rational numbers `fractions.Fraction`, so that equal is equal;
lengths are in positions, per axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from erfgraph.errors import InputError

# --- chains ---------------------------------------------------------------------------------


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


# --- arithmetic -----------------------------------------------------------------------------


class Step(NamedTuple):
    """One layer on one axis, for `field`."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def field(steps: Sequence[Step | tuple[int, ...]]) -> tuple[int, int, int]:
    """Size, stride and left padding of a unit's field above a chain, on one axis.

    Parameters
    ----------
    steps : sequence of (kernel, stride, padding, dilation)
        From the input upward; what is left out is 1, 0, 1.

    Returns
    -------
    size, stride, padding : int

    Notes
    -----
    Araujo, Norris and Sim (Distill 2019): ``r = 1 + sum (k_l - 1) d_l prod_{i<l} s_i``,
    ``S = prod s_l``, ``P = sum p_l prod_{i<l} s_i``.

    Examples
    --------
    VGG-16: thirteen 3x3 layers and five pools.

    >>> block = lambda n: [(3, 1, 1)] * n + [(2, 2)]
    >>> field([step for n in (2, 2, 3, 3, 3) for step in block(n)])
    (212, 32, 90)
    """
    size, jump, padding = 1, 1, 0
    for step in steps:
        layer = Step(*step)
        size += (layer.kernel - 1) * layer.dilation * jump
        padding += layer.padding * jump
        jump *= layer.stride
    return size, jump, padding


# --- branches -------------------------------------------------------------------------------


def skip_variance(n: int, kernel: int = 3) -> Fraction:
    """Variance of the path map of n blocks "identity plus one layer of k taps", per axis.

    Of ``k + 1`` ways through a block one does not move: ``n k (k² - 1) / (12 (k + 1))``, n/2
    for 3 taps, against 2n/3 without the identities.

    Examples
    --------
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


def dilated_support(dilations: Sequence[int], kernel: int = 3) -> list[int]:
    """Positions that a chain of dilated layers sees on one axis, counted from its centre.

    Examples
    --------
    >>> dilated_support([2, 2]), len(dilated_support([1, 2, 5]))
    ([-4, -2, 0, 2, 4], 17)
    """
    reached = {0}
    for d in dilations:
        reached = {p + d * (t - kernel // 2) for p in reached for t in range(kernel)}
    return sorted(reached)


def transposed_coverage(kernel: int, stride: int) -> list[int]:
    """Paths into the units of one period of a transposed layer, far from its borders.

    Output unit o is written by the taps t with ``t = o (mod stride)``: even only where the
    stride divides the kernel (Odena et al. 2016).

    Examples
    --------
    >>> transposed_coverage(3, 2), transposed_coverage(4, 2)
    ([2, 1], [2, 2])
    """
    return [len(range(phase, kernel, stride)) for phase in range(stride)]


def cosine_kernels(n: int) -> list[list[float]]:
    """The n three-tap kernels with signs that compose to ``2n + 1`` ones.

    ``[1, -2 cos(kφ), 1]`` for k = 1 to n, ``φ = 2π / (2n + 1)``: their roots are the
    ``2n + 1``-th roots of unity but 1.

    Examples
    --------
    >>> [round(v, 12) for v in compose(cosine_kernels(3))]
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    angle = 2 * math.pi / (2 * n + 1)
    return [[1.0, -2 * math.cos(k * angle), 1.0] for k in range(1, n + 1)]


# --- mean squares ---------------------------------------------------------------------------


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


# --- moments and fits -----------------------------------------------------------------------


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
