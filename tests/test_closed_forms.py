"""`erfgraph.theory` against plain loops, enumeration, NumPy and SciPy."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from draws import patient
from hypothesis import given
from hypothesis import strategies as st
from oracles import naive_graph
from scipy import stats

import erfgraph as eg
from erfgraph import theory

kernels = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def walks(steps):
    """Every way of taking one step of each layer, by where it ends."""
    return Counter(map(sum, itertools.product(*steps)))


# --- chains ---------------------------------------------------------------------------------


@patient
@given(st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=5), max_size=4))
def test_compose_is_a_convolution(taps):
    wanted = np.array([1])
    for k in taps:
        wanted = np.convolve(wanted, k)
    assert theory.compose(taps) == wanted.tolist()


@patient
@given(kernels)
def test_chain_paths_are_walks(ks):
    found = walks([range(k) for k in ks])
    assert theory.chain_paths(ks) == [found[i] for i in range(sum(ks) - len(ks) + 1)]


def test_chain_paths_beyond_64_bits():
    assert sum(theory.chain_paths([7] * 40)) == 7**40
    assert theory.chain_paths([2] * 100) == [math.comb(100, i) for i in range(101)]


def test_central_trinomials():
    for n in range(8):
        assert theory.central_trinomial(n) == walks([(-1, 0, 1)] * n)[0]


@pytest.mark.parametrize(("n", "kernel"), [*itertools.product(range(1, 6), (1, 3, 5))])
def test_chain_edges_are_those_on_walks(n, kernel):
    half = kernel // 2
    edges = set()
    for steps in itertools.product(range(-half, half + 1), repeat=n):
        ends = [0, *itertools.accumulate(steps)]
        if ends[-1] == 0:
            edges |= {(layer, *pair) for layer, pair in enumerate(itertools.pairwise(ends))}
    assert theory.chain_edges(n, kernel) == len(edges)


layers = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4
)


@patient
@given(layers)
def test_chain_variance_of_walks(chain):
    jump, steps = 1, []
    for kernel, stride, dilation in chain:
        steps.append([t * dilation * jump for t in range(kernel)])
        jump *= stride
    ends = list(walks(steps).elements())
    wanted = stats.moment([float(e) for e in ends], 2) if len(ends) > 1 else 0
    found = theory.chain_variance(*zip(*chain, strict=True))
    assert float(found) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(("n", "kernel"), [*itertools.product((1, 2, 5), (2, 3, 7))])
def test_chain_kurtosis_of_walks(n, kernel):
    ends = [float(e) for e in walks([range(kernel)] * n).elements()]
    assert float(theory.chain_kurtosis(n, kernel)) == pytest.approx(stats.kurtosis(ends))
    assert theory.chain_kurtosis(n) == Fraction(-3, 2) / n


def test_gaussian_distance_is_the_edgeworth_term():
    x = np.linspace(-12, 12, 200_001)
    he4 = x**4 - 6 * x**2 + 3
    wanted = (np.abs(he4) * stats.norm.pdf(x)).sum() * (x[1] - x[0]) / 48
    assert theory.gaussian_distance(-1.0) == pytest.approx(wanted, rel=1e-6)
    assert theory.gaussian_distance(0.5) == pytest.approx(wanted / 2, rel=1e-6)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gaussian_side_is_that_of_the_ball(axes):
    line = np.arange(-30, 31)
    grid = np.stack(np.meshgrid(*[line] * axes))
    inside = np.exp(-(grid**2).sum(axis=0) / 50) >= 0.1
    assert theory.gaussian_side(25, 0.1, axes) == pytest.approx(
        inside.sum() ** (1 / axes), rel=0.03
    )


# --- arithmetic, branches -------------------------------------------------------------------


@patient
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2)),
        max_size=4,
    )
)
def test_field_follows_the_reads(steps):
    """The field of unit 0 walked down by hand, its neighbour's for the stride."""

    def ends(unit):
        low = high = unit
        for kernel, stride, padding, dilation in reversed(steps):
            low, high = low * stride - padding, high * stride - padding + (kernel - 1) * dilation
        return low, high

    (low, high), (following, _) = ends(0), ends(1)
    assert theory.field(steps) == (high - low + 1, following - low, -low)


def test_field_fills_in_what_is_left_out():
    assert theory.field([(3,), (2, 2)]) == theory.field([(3, 1, 0, 1), (2, 2, 0, 1)]) == (4, 2, 0)
    assert theory.field([]) == (1, 1, 0)


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_skip_variance_of_walks(kernel):
    half = kernel // 2
    ways = [0, *range(-half, half + 1)]
    ends = [float(e) for e in walks([ways] * 4).elements()]
    assert float(theory.skip_variance(4, kernel)) == pytest.approx(np.var(ends))


def test_residual_depths_of_walks():
    """Each block is passed over, or through one of `ways` taps."""
    for n, ways in ((3, 1), (4, 2)):
        taken = Counter(
            sum(step > 0 for step in walk) for walk in itertools.product(range(ways + 1), repeat=n)
        )
        assert theory.residual_depths(n, ways) == [taken[k] for k in range(n + 1)]


def test_binomial_share():
    wanted = stats.binom.cdf(35, 54, 0.5) - stats.binom.cdf(18, 54, 0.5)
    assert float(theory.binomial_share(54, 19, 35)) == pytest.approx(wanted)
    assert theory.binomial_share(7, 0, 7, Fraction(1, 3)) == 1


@patient
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.sampled_from([1, 3, 5]))
def test_dilated_support_of_walks(dilations, kernel):
    half = kernel // 2
    steps = [[d * t for t in range(-half, half + 1)] for d in dilations]
    assert theory.dilated_support(dilations, kernel) == sorted(walks(steps))


@pytest.mark.parametrize(("kernel", "stride"), [*itertools.product(range(1, 7), range(1, 5))])
def test_transposed_coverage(kernel, stride):
    written = Counter(i * stride + t for i in range(20) for t in range(kernel))
    middle = 5 * stride * 2
    assert theory.transposed_coverage(kernel, stride) == [
        written[middle + phase] for phase in range(stride)
    ]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_cosine_kernels(n):
    assert np.allclose(theory.compose(theory.cosine_kernels(n)), np.ones(2 * n + 1))


def test_residual_mean_square_by_drawing():
    """Mean squares of one block of two layers and eight channels, drawn with NumPy."""
    rng, c, draws = np.random.default_rng(0), 8, 4000
    w = rng.normal(0, math.sqrt(1.5 / (3 * c)), (2, draws, 3, c, c))
    gradient = np.zeros((draws, 5, c, c))
    for a, b in itertools.product(range(3), repeat=2):
        gradient[:, a + b] += w[1, :, a] @ w[0, :, b]
    gradient[:, 2] += np.eye(c)
    found = (gradient**2).sum(axis=(2, 3)) / c  # over inputs, mean over outputs
    wanted = [float(v) for v in theory.residual_mean_square(1, Fraction(3, 2), layers=2)]
    error = found.std(axis=0) / math.sqrt(draws)
    assert (np.abs(found.mean(axis=0) - wanted) < 4.5 * error).all()
    assert sum(wanted) == pytest.approx(1 + 1.5**2)


# --- moments and fits -----------------------------------------------------------------------


@patient
@given(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any))
def test_moments(values):
    found = theory.moments(values)
    ends = [float(i) for i, v in enumerate(values) for _ in range(v)]
    assert float(found.mean) == pytest.approx(np.mean(ends))
    assert float(found.variance) == pytest.approx(np.var(ends), abs=1e-12)
    if found.variance:
        assert float(found.kurtosis) == pytest.approx(stats.kurtosis(ends))
    else:
        assert found.kurtosis is None


def test_moments_of_nothing():
    with pytest.raises(eg.InputError, match="weights that sum to 0"):
        theory.moments([0, 0])


def test_fit_power_is_least_squares():
    rng = np.random.default_rng(1)
    x = np.geomspace(3, 300, 12)
    y = 2 * x**-0.7 * np.exp(rng.normal(0, 0.05, 12))
    fit, wanted = theory.fit_power(x, y), stats.linregress(np.log(x), np.log(y))
    half = stats.t.ppf(0.975, 10) * wanted.stderr
    assert fit.slope == pytest.approx(wanted.slope)
    assert (fit.low, fit.high) == pytest.approx((fit.slope - half, fit.slope + half))
    assert fit.holds(fit.slope)
    assert not fit.holds(fit.high + 0.01)


def test_fit_power_refuses():
    for x, y in (([1, 2], [1, 2]), ([1, 2, 3], [1, 2, 0]), ([1, 2, 3], [1, 2, 3, 4])):
        with pytest.raises(eg.InputError, match="three or more pairs"):
            theory.fit_power(x, y)


def test_mean_interval_covers():
    """A 90 % interval holds the mean nine times in ten."""
    rng = np.random.default_rng(2)
    hits = sum(theory.mean_interval(rng.normal(5, 2, 6), 0.9).holds(5) for _ in range(2000))
    assert abs(hits / 2000 - 0.9) < 4.5 * math.sqrt(0.09 / 2000)
    with pytest.raises(eg.InputError, match="two or more"):
        theory.mean_interval([1.0])


def test_theory_is_public():
    assert eg.theory is theory


def test_the_edges_of_a_chain_in_the_graph():
    """The cone of `chain_edges` against what the layer records say."""
    naive = naive_graph(eg.load("conv3*3"))
    reads = [(v, u) for v, found in naive.reads.items() for u in found]
    from_centre = {(0, (3,))}
    for v, u in sorted(reads):
        from_centre |= {v} if u in from_centre else set()
    to_top = {(3, (0,))}
    for v, u in sorted(reads, reverse=True):
        to_top |= {u} if v in to_top else set()
    through = [1 for v, u in reads if u in from_centre and v in to_top]
    assert theory.chain_edges(3) == len(through)
