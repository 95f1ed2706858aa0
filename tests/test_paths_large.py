"""Large counts: closed forms past 2**63, wide integers, scaled floats, and real networks."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import oracles
import pytest
from draws import patient
from hypothesis import given
from hypothesis import strategies as st
from test_paths import same, torch_oracle  # noqa: F401

import erfgraph as eg
from erfgraph import paths
from erfgraph.network import Network
from erfgraph.plan import plan_for
from erfgraph.wide import Wide

LIMIT = 2**63 - 1


def box_power(k, n):
    """Coefficients of (1 + x + … + x^(k-1))^n: n boxes of k ones convolved, Python ints."""
    line = [1]
    for _ in range(n):
        wider = [0] * (len(line) + k - 1)
        for i, value in enumerate(line):
            for t in range(k):
                wider[i + t] += value
        line = wider
    return line


def outer(lines):
    """The outer product of lines as an object array."""
    values = np.array(1, dtype=object)
    for line in lines:
        values = np.multiply.outer(values, np.array(line, dtype=object))
    return values


def chain(n, k, shape, **params):
    net = eg.Network(shape)
    x = net.input
    for _ in range(n):
        x = net.conv(x, k, **params)
    return net


def test_box_powers_are_the_binomial_and_trinomial_coefficients():
    assert box_power(2, 30) == [math.comb(30, i) for i in range(31)]
    assert [max(box_power(3, n)) for n in range(1, 6)] == [1, 3, 7, 19, 51]
    trinomial = [
        sum(math.comb(9, j) * math.comb(9 - j, i - 2 * j) for j in range(i // 2 + 1) if i >= 2 * j)
        for i in range(19)
    ]
    assert box_power(3, 9) == trinomial


@pytest.mark.parametrize("k", [2, 3, 5, 7])
@pytest.mark.parametrize("n", [1, 2, 7, 20, 39, 40, 41, 60])
def test_a_chain_of_boxes(k, n):
    want = outer([box_power(k, n)])
    imp = eg.importance(chain(n, k, len(want)))
    assert same(imp.values, want)
    assert imp.total == k**n
    assert imp.values.dtype == (np.int64 if max(want) <= LIMIT else object)
    assert all(type(v) is int for v in imp.values.tolist())


@pytest.mark.parametrize(("k", "n"), [((3, 3), 30), ((2, 5), 17), ((1, 3, 2), 25), ((3, 3, 3), 9)])
def test_a_chain_in_more_axes_is_the_outer_product(k, n):
    want = outer([box_power(side, n) for side in k])
    net = chain(n, k, want.shape)
    imp = eg.importance(net)
    assert same(imp.values, want)
    assert imp.total == math.prod(k) ** n
    assert imp.peak.value == want.max()
    rounded = eg.importance(net, exact=False)
    assert np.allclose(rounded.values, want.astype(float), rtol=1e-12)
    assert same(
        eg.influence(net, imp.peak.position).values,
        np.array([[[want.max()]]]).squeeze(tuple(range(3 - len(k)))),
    )


@pytest.mark.parametrize("n", [19, 20, 21, 39, 40])
def test_the_number_type_changes_where_counts_pass_int64(n):
    want = outer([box_power(3, n)] * 2)
    imp = eg.importance(chain(n, 3, want.shape))
    assert imp.values.dtype == (np.int64 if want.max() <= LIMIT else object)
    assert same(imp.values, want)


def test_a_thousand_layers():
    want = box_power(3, 1000)
    net = chain(1000, 3, 2001)
    imp = eg.importance(net)
    assert imp.values.tolist() == want
    assert imp.total == 3**1000
    assert imp.peak == ((1000,), max(want))
    rounded = eg.importance(net, exact=False)
    assert np.isfinite(rounded.values).all()
    exact_log = 1000 * math.log10(3)
    assert math.log10(rounded.total) + rounded.log10_scale == pytest.approx(exact_log, abs=1e-9)
    largest = math.log10(rounded.peak.value) + rounded.log10_scale
    assert largest == pytest.approx(math.log10(max(want)), abs=1e-9)
    assert np.array_equal(rounded.trf.mask, imp.trf.mask)
    assert np.allclose(rounded.share, imp.share, rtol=1e-9, atol=1e-290)


def test_support_survives_where_floats_cannot():
    """The corner's single path is lost beside 3**2500 in float64; its unit is not."""
    net = chain(2500, 3, 5001)
    rounded = eg.importance(net, exact=False)
    assert rounded.values[0] == 0
    assert rounded.trf.area == rounded.erf(0, rule="count").area == 5001
    assert rounded.erf(0.5) == eg.importance(net).erf(0.5)


# --- wide integers ------------------------------------------------------------------------


def deep(kind):
    """Networks whose counts pass int64, with every kind of step on the way."""
    net = eg.Network((9, 8) if kind != "line" else 9)
    x = net.input
    for i in range(90 if kind == "line" else 30):
        x = net.conv(x, 3, padding=1, padding_mode=("zeros", "reflect", "circular")[i % 3])
        if kind == "branches":
            x = net.add(x, net.conv(x, 5, padding=2), x)
        elif kind == "copies":
            x = net.roll(net.slice(x, step=-1), 1)
        elif kind == "dense" and i % 10 == 5:
            x = net.add(x, net.attention(x), net.attention(x, 3, 1))
        elif kind == "resized" and i % 10 == 5:
            low = net.adaptive_pool(net.upsample(x, 1.5, "linear"), (3, 4))
            x = net.upsample(low, size=(9, 8), mode="cubic")
        elif kind == "line" and i % 30 == 5:  # single reversed positions
            x = net.upsample(net.slice(x, 8, 7, -1), size=9)
    return net


DEEP = pytest.mark.parametrize("kind", ["chain", "branches", "copies", "dense", "resized", "line"])


@DEEP
def test_wide_counts_are_exact(kind):
    net = deep(kind)
    naive = oracles.naive_graph(net)
    for unit in [(0,) * net.ndim, tuple(n - 1 for n in net.output.shape)]:
        want = oracles.paths(naive, (net.output.index, unit))
        imp = eg.importance(net, unit=unit)
        assert same(imp.values, want)
        assert imp.total == want.sum() > LIMIT
        assert imp.peak.value == want.max()
        assert imp.peak.position == np.unravel_index(np.argmax(want), want.shape)
        assert np.allclose(imp.share, (want / want.sum()).astype(float), rtol=1e-14)
        assert np.allclose(imp.relative, (want / want.max()).astype(float), rtol=1e-14)
        every = eg.importances(net, unit=unit)
        for name in ("input", "conv7", "conv20"):
            found = oracles.paths(naive, (net.output.index, unit), net[name].index)
            assert same(every[name].values, found)
        onwards = eg.influence(net, unit)
        there = oracles.positions(net.output.shape)
        assert all(
            onwards.values[at] == oracles.counts_to(naive, (net.output.index, at))[0, unit]
            for at in itertools.islice(there, 0, None, 17)
        )


@DEEP
def test_the_wide_path_equals_int64_where_both_apply(kind, monkeypatch):
    net = deep(kind)
    top = net["conv5"]
    unit = (3,) * net.ndim
    small = eg.importance(net, top, unit)
    assert small.values.dtype == np.int64
    monkeypatch.setattr(paths, "LARGEST_INT64", 0)  # bounds never fit: limbs everywhere
    assert same(eg.importance(net, top, unit).values, small.values)


@pytest.mark.parametrize("kind", ["branches", "copies", "line"])
def test_carries_when_limbs_are_nearly_full(kind, monkeypatch):
    """With room for few sums every map must carry, and the values stay."""
    net = deep(kind)
    want = eg.importance(net).values
    bound = plan_for(net, "backward", net.output.index, tuple(n // 2 for n in net.output.shape), 0)
    most = max(p.gain * bound.inflow[p.target] for i in bound.order for p in bound.pushes[i])
    monkeypatch.setattr(paths.wide, "LIMB_LIMIT", paths.wide.MASK * most)
    assert same(eg.importance(net).values, want)


def fraction(share):
    return Fraction(repr(share))


@DEEP
@pytest.mark.parametrize("threshold", [0.0455, 0.5, 0.9, 1.0])
def test_thresholds_of_wide_counts(kind, threshold):
    net = deep(kind)
    imp = eg.importance(net)
    values = imp.values
    largest, total = values.max(), values.sum()
    cut = fraction(threshold)
    assert np.array_equal(imp.erf(threshold).mask, (values >= cut * largest).astype(bool))
    limit = float(threshold * largest)
    over = (values > Fraction(limit)).astype(bool)
    assert np.array_equal(imp.erf(limit, rule="count").mask, over)
    mass = imp.erf(threshold, rule="mass")
    n = smallest_number(values, cut * total)
    assert mass.area == n
    assert values[mass.mask].sum() == sum(sorted(values.ravel().tolist())[-n:])
    centre = tuple((a + b) // 2 for a, b in imp.trf.bbox)
    radius = next(r for r in range(20) if values[around(centre, r)].sum() >= cut * total)
    want = np.zeros(values.shape, dtype=bool)
    want[around(centre, radius)] = True
    assert np.array_equal(imp.erf(threshold, rule="square").mask, want)


def around(centre, radius):
    return tuple(slice(max(0, c - radius), c + radius + 1) for c in centre)


def smallest_number(values, need):
    """How many of the largest values hold what is needed."""
    held = 0
    for n, value in enumerate(sorted(values.ravel().tolist(), reverse=True), start=1):
        held += value
        if held >= need:
            return n
    raise AssertionError


@patient
@given(
    st.lists(st.integers(0, 2**200) | st.integers(0, 5), min_size=1, max_size=9),
    st.integers(0, 2**210),
)
def test_wide_verbs(numbers, cut):
    n = 7
    limbs = [[(v >> (32 * j)) & 0xFFFFFFFF for v in numbers] for j in range(n)]
    wide = Wide(np.array(limbs, dtype=np.int64))
    assert wide.to_objects().tolist() == numbers
    assert wide.total() == sum(numbers)
    assert wide.argmax() == (numbers.index(max(numbers)),)
    assert [wide.item((i,)) for i in range(len(numbers))] == numbers
    assert wide.at_least(cut).tolist() == [v >= cut for v in numbers]
    divisor = max(1, cut)
    want = [float(Fraction(v, divisor)) for v in numbers]
    assert np.allclose(wide.over(divisor), want, rtol=1e-14)


def test_one_limb_wrong_is_noticed():
    want = eg.importance(deep("chain")).values
    wrong = want.copy()
    wrong[0, 0] += 2**64
    assert not same(wrong, want)


# --- real networks ------------------------------------------------------------------------


def test_vgg16_by_its_known_figures():
    imp = eg.importance(eg.load("vgg16"), unit=(3, 3))
    assert imp.total == 2602870608208896
    assert imp.peak.value == 506835781776


@pytest.mark.parametrize("name", ["vgg16", "resnet18", "resnet50"])
def test_real_networks_against_autograd(name, torch_oracle):  # noqa: F811
    net = eg.load(name)
    for unit in [(3, 3), (0, 0)]:
        exact = eg.importance(net, unit=unit)
        rounded = eg.importance(net, unit=unit, exact=False)
        found = torch_oracle.gradient(net, net.output.index, unit)
        small = exact.values < 2**53  # sums of smaller integers: exact in float64 too
        assert (exact.values[small] > 0).any()
        assert (found[small] == exact.values[small]).all()
        assert (rounded.values[small] == exact.values[small]).all()
        assert np.allclose(found, exact.values.astype(float), rtol=1e-12)


def test_a_network_is_untouched_by_questions():
    net = deep("branches")
    before = net.to_dict()
    first = eg.importance(net)
    assert eg.importance(net) == first
    assert net.to_dict() == before
    assert isinstance(net, Network)


def test_a_kernel_of_tens_of_thousands_of_taps():
    """Its sums are bounded, not counted: counting would go through taps times positions."""
    net = eg.Network(1_000_000)
    net.conv(net.input, 60_000)
    imp = eg.importance(net)
    assert (imp.total, imp.peak.value, imp.trf.size) == (60_000, 1, (60_000,))
    assert eg.graph_size(net).n_edges == 60_000 * 940_001
    with pytest.raises(eg.SizeError, match="56400060000 edges"):
        eg.graph(net)
