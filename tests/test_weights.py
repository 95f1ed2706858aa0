"""`uniform` and `variance` against gradients as polynomials in the weights."""

from __future__ import annotations

from functools import cache

import covariance_oracle as covariances
import numpy as np
import pytest
import registry
import weight_networks
import weight_oracle as oracle
from draws import channel_networks, networks, patient
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from test_paths import some_units

import erfgraph as eg
from erfgraph import weighted_view, weighting

MEASURES = ("uniform", "variance")
FACTORS = ("multiply", "gate")  # their gradient depends on activations, not on weights alone

# an average above a max pool whose windows overlap: one number may be the largest of two
CHOSEN = ("pool_ceil", "pool_ceil_padded", "pool_dilated", "pool_same")
LARGEST_ERROR = 0.16  # total variation on toys, as docs/weights.md says

TOYS = {
    name: make
    for name, make in registry.NETWORKS.items()
    if not any(m.op in FACTORS for m in make().maps)
} | weight_networks.NETWORKS


@cache
def made(name):
    return (TOYS | weight_networks.APPROXIMATED)[name]()


def agrees(got, want):
    """Equal up to rounding."""
    return got.shape == want.shape and np.allclose(got, want, rtol=1e-12, atol=1e-15)


def distance(got, want):
    """Total variation between two maps' shares."""
    return np.abs(got / got.sum() - want / want.sum()).sum() / 2


def right(name, measure="variance"):
    """Whether the map of a toy's centre is the oracle's."""
    net = made(name)
    net.plans.clear()
    unit = tuple(n // 2 for n in net.output.shape)
    return agrees(eg.importance(net, measure=measure).values, oracle.answer(net, unit, measure))


# --- every toy ---


def test_what_is_left_out():
    """Products, whose gradient holds activations; all else of the registry is here."""
    assert set(registry.NETWORKS) - set(TOYS) == {
        *("multiply", "gate_follow", "gate_per_row", "gates_of_channels", "views_read_by_many")
    }


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", [n for n in TOYS if n not in CHOSEN])
def test_the_oracle_s(name, measure):
    net = made(name)
    for unit in some_units(net.output.shape):
        got = eg.importance(net, unit=unit, measure=measure)
        assert got.values.dtype == np.float64
        assert agrees(got.values, oracle.answer(net, unit, measure)), unit


@pytest.mark.parametrize("name", weight_networks.APPROXIMATED)
def test_what_is_approximated(name):
    """Correlated numbers that meet again below drawn weights: wrong, by no more than is said."""
    net, errors = made(name), []
    for unit in some_units(net.output.shape):
        assert agrees(
            eg.importance(net, unit=unit, measure="uniform").values,
            oracle.answer(net, unit, "uniform"),
        )
        want = oracle.answer(net, unit)
        errors.append(distance(eg.importance(net, unit=unit, measure="variance").values, want))
        uncorrelated = not oracle.correlated(net, unit) and name != "map_and_its_largest"
        assert errors[-1] < (1e-12 if uncorrelated else LARGEST_ERROR)
    assert max(errors) > 0.01


@pytest.mark.parametrize("name", CHOSEN)
def test_averages_of_largest(name):
    net = made(name)
    assert right(name, "uniform")
    got = eg.importance(net, measure="variance").values
    want = oracle.answer(net, tuple(n // 2 for n in net.output.shape))
    assert 0.01 < distance(got, want) < LARGEST_ERROR


MOST_PATHS = 20_000


@patient
@given(st.data())
def test_random_networks(data):
    """Exact, wherever what arrives at drawn layers is uncorrelated."""
    net = data.draw(networks() | channel_networks())
    unit = tuple(data.draw(st.integers(0, n - 1)) for n in net.output.shape)
    if any(m.op in FACTORS for m in net.maps):
        return
    if eg.importance(net, unit=unit, channels="count").total > MOST_PATHS:
        return
    uniform = eg.importance(net, unit=unit, measure="uniform").values
    assert agrees(uniform, oracle.answer(net, unit, "uniform"))
    if not oracle.correlated(net, unit):
        variance = eg.importance(net, unit=unit, measure="variance").values
        assert_allclose(variance, oracle.answer(net, unit), rtol=1e-12, atol=1e-15)


# --- answers that are known by hand ---


def test_by_hand():
    """x + average(x) over two units: (1 + 1/2)² and (1/2)², not 1 + 1/4 and 1/4."""
    net = eg.Network(2)
    net.add(net.input, net.avg_pool(net.pad(net.input, ((0, 1),)), 2, 1))
    assert eg.importance(net, unit=0, measure="variance").values.tolist() == [2.25, 0.25]
    assert eg.importance(net, unit=0, measure="uniform").values.tolist() == [1.5, 0.5]


def test_channels_by_hand():
    """A block of width 6 in a stream of 2: 1 + (9 paths, each 1/18 by 1/54, times 2·6·2 / 2)."""
    net = eg.Network((5, 5), channels=2)
    x = net.conv(net.conv(net.input, 3, padding=1, channels=6), 1, channels=2)
    net.add(net.input, x)
    got = eg.importance(net, measure="variance").values
    assert got[2, 2] == pytest.approx(2 * 1 / 2 + 2 * 6 * (1 / 6) * (1 / 18), rel=1e-14)
    assert got[1, 1] == pytest.approx(2 * 6 * (1 / 6) * (1 / 18), rel=1e-14)


@pytest.mark.parametrize("name", ["conv_plain", "conv_stride_1d", "conv_3d", "tconv_checkerboard"])
@pytest.mark.parametrize("measure", MEASURES)
def test_of_a_chain_both_are_the_path_counts(name, measure):
    net = registry.NETWORKS[name]()
    got, paths = (eg.importance(net, measure=m).share for m in (measure, "paths"))
    assert_allclose(got, paths, rtol=1e-13)


# --- every feature map, every view ---


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", {**registry.NETWORKS, **TOYS})
def test_importances_are_those_of_each_map(name, measure):
    net = (registry.NETWORKS | TOYS)[name]()
    every = eg.importances(net, measure=measure)
    singles = {m.name: eg.importance(net, measure=measure, of=m) for m in net.maps}
    base = net.maps[net.output.index].name  # the output may be a view of it
    assert set(every) - {base} == {n for n, m in singles.items() if m.trf.area} - {base}
    for key, m in every.items():
        assert_allclose(m.values, singles[key].values, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "name",
    [
        *("raw_fixed_and_drawn", "copies_added", "transformer", "pixels", "densenet", "swin"),
        *("unet_bilinear", "residual_3d", "shuffled_and_added", "context_added", "shufflenet"),
    ],
)
def test_maps_between(name):
    net = made(name)
    unit = (0,) * len(net.output.shape)
    for key, m in eg.importances(net, unit=unit, measure="variance").items():
        if key != net.output.name:
            assert agrees(m.values, oracle.answer(net, unit, of=key)), key


def test_views_of_channels():
    """The unit's channels and those of the map that is rated: some of them, one of them twice."""
    net = eg.Network((3, 4), channels=4)
    x = net.conv(net.input, 2, groups=2, channels=6, name="x")
    half = net.channel_slice(x, 1, 5, name="half")
    net.channel_take(x, [5, 0, 5], name="twice")
    y = net.conv(half, 2, groups=2, padding=((1, 0), (0, 1)), channels=4)
    y = net.add(y, net.channel_take(x, [1, 1, 2, 3]))
    net.channel_take(y, [0, 3, 3], name="asked")
    net.channel_slice(net.input, 1, 3, name="few")
    for layer in (y.name, "asked", "half", "twice"):
        for of in ("input", "few", "x", "half", "twice"):
            for measure in MEASURES:
                got = eg.importance(net, layer=layer, unit=(1, 1), measure=measure, of=of)
                want = oracle.answer(net, (1, 1), measure, layer, of)
                assert agrees(got.values, want), (layer, of)


# --- wide and deep networks: second moments, without weights one by one ---


def covered(net, layer=None, of="input"):
    """Total variation between the engine's shares and exact ones."""
    top = net[layer or net.output.name]
    unit = tuple(n // 2 for n in top.shape)
    got = eg.importance(net, layer, unit, measure="variance", of=of).values
    return distance(got, covariances.second_moments(net, unit, layer, of))


def double(net, x, channels):
    """Two convolutions."""
    x = net.conv(x, 3, padding=1, channels=channels)
    return net.conv(x, 3, padding=1, channels=channels)


def unet(size, levels, mode):
    """A U-Net of 16 channels at the top."""
    net = eg.Network((size, size), channels=3)
    x, skips = double(net, net.input, 16), []
    for level in range(levels):
        skips.append(x)
        x = double(net, net.max_pool(x, 2), 32 << level)
    for level in reversed(range(levels)):
        x = double(net, net.concat(skips[level], net.upsample(x, 2, mode)), 16 << level)
    return net


def transformer(size, blocks):
    """Attention and a multilayer perceptron beside identities."""
    net = eg.Network((size, size), channels=8)
    x = net.input
    for _ in range(blocks):
        x = net.add(x, net.conv(net.attention(net.conv(x, 1)), 1))
        x = net.add(x, net.conv(net.conv(x, 1, channels=32), 1, channels=8))
    return net


@pytest.mark.parametrize("name", ["averages_overlap", "transposed_between", "interpolated_twice"])
def test_both_oracles_agree(name):
    """Second moments and polynomials are two ways to one answer."""
    net = made(name)
    for unit in some_units(net.output.shape):
        assert agrees(covariances.second_moments(net, unit), oracle.answer(net, unit))


@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (lambda: unet(16, 2, "nearest"), 0, 1e-12),
        (lambda: unet(16, 2, "bilinear"), 0.03, 0.05),
        (lambda: transformer(7, 1), 0, 1e-12),
        (lambda: transformer(7, 2), 0, 1e-12),
        (lambda: transformer(7, 12), 0, 1e-12),
    ],
)
def test_errors_are_as_large_as_the_page_says(make, low, high):
    assert low <= covered(make()) <= high


def test_inception():
    """Averages of 3 x 3 at stride 1, one above the other, in a network of the zoo."""
    net = eg.load("inception_v3", input_shape=(299, 299))
    assert covered(net, "Mixed_6e", "Mixed_6a") < 0.008


def test_densenet():
    """Transitions average over windows that do not overlap: exact to the last block."""
    net = eg.load("densenet121", input_shape=(64, 64))
    assert covered(net, of="features.pool0") < 1e-12


# --- the tests can fail ---


def swapped(m, read, mix, init):
    """Fan-out for fan-in."""
    return 1 / oracle.reads_made(m.op, read.shape, len(mix.makes), dict(m.params))


WRONG = {
    "fan-out for fan-in": (weighting, "drawn_variance", swapped, "transformer"),
    "squared before composing": (
        weighted_view,
        "stays_diagonal",
        lambda r: True,
        "average_of_average",
    ),
    "branches squared apart": (
        weighted_view,
        "squared",
        lambda routes, n: [s for r in routes for s in SQUARED([r], n)],
        "map_and_its_average",
    ),
    "correlations lost in one-tap layers": (
        weighted_view._Build,
        "_keep",
        lambda self, e, whole, forward: False,
        "average_one_tap_average",
    ),
    "roots forgotten": (weighted_view, "MOST_ROUTES", 0, "map_and_its_average"),
    "meetings overlooked": (
        weighted_view._Build,
        "_met_again",
        lambda self, routes, below, i: False,
        "map_and_its_average",
    ),
}
SQUARED = weighted_view.squared


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_weighting_is_noticed(what, monkeypatch):
    owner, name, wrong, toy = WRONG[what]
    assert right(toy)
    monkeypatch.setattr(owner, name, wrong)
    assert not right(toy)
    made(toy).plans.clear()
