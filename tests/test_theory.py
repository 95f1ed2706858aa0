"""Figures of the literature and closed forms, and the measures of shape against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from draws import patient
from hypothesis import given
from hypothesis import strategies as st
from oracles import naive_graph, positions

import erfgraph as eg
from erfgraph import shape as measures


def chain(n, *axes):
    """A chain of n convolutions of three taps on every axis, seen whole."""
    return eg.importance(eg.load(f"conv{'x'.join(['3'] * (axes or (2,))[0])}*{n}"))


# --- theory -------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "side"), [(5, 8.31), (10, 11.70), (20, 16.16)])
def test_sides_of_chains_at_two_sigma(n, side):
    erf = chain(n).erf(0.0455)
    assert round(erf.size, 2) == side
    assert erf.size == math.sqrt(erf.area)


def test_gridding():
    coarse = eg.importance(eg.load("conv3x3d2*3"))
    assert coarse.trf.size == (13, 13)
    assert coarse.trf.area == 49  # 7 x 7 of the 13 x 13: 29 %
    assert round(coarse.trf.area / 13**2, 2) == 0.29
    assert coarse.holes == 13**2 - 49
    hybrid = eg.importance(eg.load("conv3x3d1 conv3x3d2 conv3x3d5"))
    assert hybrid.trf.size == (17, 17)
    assert hybrid.trf.area == 17**2
    assert hybrid.holes == 0


@pytest.mark.parametrize("k", [2, 3, 5, 7])
@pytest.mark.parametrize("n", [1, 4, 12, 30])
def test_variance_of_chains(k, n):
    imp = eg.importance(eg.load(f"conv{k}*{n}"))
    assert imp.std[0] ** 2 == pytest.approx(n * (k * k - 1) / 12, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 5, 20, 50])
def test_kurtosis_of_chains(n):
    imp = chain(n, 2)
    assert imp.excess_kurtosis == pytest.approx((-1.5 / n,) * 2, rel=1e-6)


@pytest.mark.parametrize("n", [1, 3, 10, 25])
def test_skips_shrink_the_field(n):
    skips = eg.importance(eg.load(f"res(conv3p1)*{n}", input_shape=2 * n + 1))
    plain = eg.importance(eg.load(f"conv3p1*{n}", input_shape=2 * n + 1))
    assert skips.std[0] ** 2 == pytest.approx(n / 2)
    assert plain.std[0] ** 2 == pytest.approx(2 * n / 3)
    assert skips.total == 4**n
    # a sum over sub-paths: 1 + (x^-1 + 1 + x) is (1, 2, 1), the square of (1, 1)
    assert skips.values.tolist() == [math.comb(2 * n, i) for i in range(2 * n + 1)]


def test_checkerboard_of_transposed_convolutions():
    def into(kernel):
        net = eg.load(f"deconv{kernel}s2", input_shape=9)
        return [eg.importance(net, unit=o).total for o in range(net.output.shape[0])]

    inner = slice(2, -2)
    assert into(3)[inner] == [2 if o % 2 == 0 else 1 for o in range(19)][inner]
    assert set(into(4)[inner]) == {2}
    net = eg.load("deconv3s2", input_shape=(6, 6))
    four = {eg.importance(net, unit=(4 + a, 4 + b)).total for a in (0, 1) for b in (0, 1)}
    assert four == {1, 2, 4}


def test_chains_become_round():
    rounder = [chain(n, 2).isotropy for n in (1, 2, 4, 8, 16, 32)]
    assert rounder == sorted(rounder)
    assert 1 - rounder[-1] < 0.02
    assert rounder[0] < 0.9


def test_share_of_the_theoretical_field_shrinks():
    """Luo et al. 2016: the field grows as the root of depth, its share as one over it."""
    sizes = {n: chain(n).erf() for n in (10, 40)}
    assert sizes[40].size / sizes[10].size == pytest.approx(2, rel=0.05)
    shares = {n: math.sqrt(erf.share_of_trf) for n, erf in sizes.items()}
    assert shares[40] / shares[10] == pytest.approx(0.5, rel=0.07)


def test_a_residual_net_is_a_sum_over_subpaths():
    net = eg.load("res(conv3p1 conv3p1)*4", input_shape=21)
    whole = np.zeros(21, dtype=int)
    for n in range(5):
        part = eg.importance(eg.load(f"conv3p1*{2 * n}", input_shape=21)).values if n else None
        whole += math.comb(4, n) * (np.eye(21, dtype=int)[10] if part is None else part)
    assert eg.importance(net).values.tolist() == whole.tolist()


def test_the_peak_of_edges_by_hand():
    """conv3*5 in 1-D: all units within the cone of the centre, three edges each, cut by o's."""
    imp = eg.importance(eg.load("conv3*5"), measure="edges")
    naive = naive_graph(eg.load("conv3*5"))
    both = sum(
        1
        for (m, v), found in naive.reads.items()
        for (k, u) in found
        # within reach of the input's centre, and of the only output, at the shifted centre
        if abs(u[0] + k - 5) <= k and abs(v[0] + m - 5) <= min(m, 5 - m)
    )
    assert imp.peak == ((5,), both)
    assert both == 37


# --- measures of shape --------------------------------------------------------------------


@st.composite
def shares(draw):
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    n = math.prod(shape)
    values = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n).filter(any))
    share = np.array(values, dtype=float).reshape(shape)
    return share / share.sum()


@patient
@given(shares())
def test_moments_are_sums(share):
    weights = {at: share[at] for at in positions(share.shape)}
    for a in range(share.ndim):
        mean = sum(w * at[a] for at, w in weights.items())
        moment = {p: sum(w * (at[a] - mean) ** p for at, w in weights.items()) for p in (2, 4)}
        assert measures.centre_of_mass(share)[a] == pytest.approx(mean, abs=1e-12)
        assert measures.standard_deviation(share)[a] ** 2 == pytest.approx(moment[2], abs=1e-9)
        if moment[2] > 1e-9:
            want = moment[4] / moment[2] ** 2 - 3
            assert measures.excess_kurtosis(share)[a] == pytest.approx(want, abs=1e-6)


@patient
@given(shares())
def test_entropy_is_a_sum(share):
    want = -sum(p * math.log(p) for p in share.ravel().tolist() if p)
    assert measures.entropy(share) == pytest.approx(want, abs=1e-12)


def test_entropy_of_one_and_of_many():
    assert measures.entropy(np.array([0.0, 1.0])) == 0
    assert measures.entropy(np.full((4, 4), 1 / 16)) == pytest.approx(math.log(16))


@patient
@given(shares())
def test_radial_profile_is_a_mean_over_rings(share):
    centre = measures.centre_of_mass(share)
    sums, members = {}, {}
    beyond = [range(-n - 12, 2 * n + 12) for n in share.shape]
    farthest = 0
    for at in positions(tuple(map(len, beyond))):
        at = tuple(line[i] for line, i in zip(beyond, at, strict=True))
        ring = math.floor(math.dist(at, centre) + 0.5)
        inside = all(0 <= i < n for i, n in zip(at, share.shape, strict=True))
        value = share[at] if inside else 0.0
        members[ring] = members.get(ring, 0) + 1
        sums[ring] = sums.get(ring, 0.0) + value
        farthest = max(farthest, ring if value else 0)
    radius, mean = measures.radial_profile(share)
    near_edge = any(  # a distance on the border of two rings falls on either by rounding
        abs(math.dist(at, centre) + 0.5 - round(math.dist(at, centre) + 0.5)) < 1e-9
        for at in positions(share.shape)
    )
    if not near_edge:
        assert radius.tolist() == list(range(farthest + 1))
        for r in range(farthest + 1):
            want = sums[r] / members[r] if r in members else math.nan
            assert mean[r] == pytest.approx(want, abs=1e-12, nan_ok=True)


def test_radial_profile_by_hand():
    share = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 8
    radius, mean = measures.radial_profile(share)
    assert radius.tolist() == [0, 1]
    assert mean.tolist() == [0.5, 0.5 / 8]  # of the ring at 1, four of eight hold an eighth


@patient
@given(shares())
def test_isotropy_is_a_share(share):
    assert 0 <= measures.isotropy(share) <= 1


def test_isotropy_of_round_and_square_maps():
    line = np.arange(-15, 16)
    y, x = np.meshgrid(line, line)
    bell = np.exp(-(x**2 + y**2) / 18)
    long = np.exp(-(x**2 / 72 + y**2 / 8))
    square = (np.maximum(abs(x), abs(y)) < 8).astype(float)
    found = [measures.isotropy(m / m.sum()) for m in (bell, square, long)]
    assert found[0] > 0.99
    assert found[0] > found[1] > found[2]
    assert measures.isotropy(np.array([0.0, 1, 0])) == pytest.approx(1)
    assert chain(3, 1).isotropy == pytest.approx(1)  # symmetric in one axis: a function of |x|


def test_isotropy_of_a_very_long_field():
    """As many knots as the radius is long: their square would not fit into memory."""
    imp = eg.importance(eg.load("max2*17"))
    assert imp.total == imp.trf.area == 2**17
    assert imp.isotropy == pytest.approx(1, abs=1e-9)
