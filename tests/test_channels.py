"""``channels="count"``: every channel a node; sweep = enumeration = networkx = gradient."""

from __future__ import annotations

from collections import Counter
from functools import cache

import channel_oracle as oracle
import numpy as np
import pytest
from draws import channel_networks, patient
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text
from oracles import as_array, naive_graph, positions
from registry import NETWORKS
from test_paths import NO_TORCH, same, some_units, torch_oracle  # noqa: F401
from test_paths_large import box_power

import erfgraph as eg
from erfgraph import channel_classes, figures, memory, paths
from erfgraph.channel_classes import Classes, mixing
from erfgraph.channels import Mix, dense
from erfgraph.figures import wording
from erfgraph.network import Network
from erfgraph.plan import Plan

EVERY = pytest.mark.parametrize("name", NETWORKS)
COUNT = {"channels": "count"}


@cache
def known(name):
    net = NETWORKS[name]()
    return net, oracle.channel_graph(net)


def classes_of(net, *question, **options):
    """The classes of every map in the plan of a question that is asked anew."""
    net.plans.clear()
    eg.importances(net, *question, channels="count", **options)
    (plan,) = (kept for kept in net.plans.values() if isinstance(kept, Plan))
    return plan.classes


@EVERY
def test_channels_are_as_many_as_the_rules_say(name):
    net, graph = known(name)
    assert [m.channels for m in net.maps] == list(graph.channels)
    assert {k: m.channels for k, m in net.names.items()} == {
        k: len(view) for k, (_, view) in graph.views.items()
    }


@EVERY
def test_importance_is_the_oracle_s(name):
    net, graph = known(name)
    for unit in some_units(net.output.shape):
        want = oracle.paths(graph, net.output.name, unit)
        imp = eg.importance(net, unit=unit, channels="count")
        assert same(imp.values, want)
        assert imp.total == want.sum()
        assert np.array_equal(imp.trf.mask, want > 0)
        rounded = eg.importance(net, unit=unit, exact=False, channels="count")
        assert rounded.values.dtype == np.float64
        assert same(rounded.values, want)


@EVERY
def test_importance_between_all_names(name):
    """Views among them: of those, only the channels that they hold."""
    net, graph = known(name)
    for top in net.names:
        unit = tuple(n // 2 for n in net[top].shape)
        every = eg.importances(net, top, unit, channels="count")
        for of in net.names:
            want = oracle.paths(graph, top, unit, of)
            imp = eg.importance(net, top, unit, of=of, channels="count")
            assert same(imp.values, want), (top, of)
            assert (imp.layer, imp.of, imp.channels) == (net[top].name, net[of].name, "count")
            if net[of].view is None:
                assert same(every[net[of].name].values, want) if want.any() else of not in every


@EVERY
def test_influence_is_importance_seen_from_the_other_end(name):
    net, graph = known(name)
    for source in [(0,) * net.ndim, tuple(n // 2 for n in net.input.shape)]:
        for top in {net.output.name, net.maps[-1].name, list(net.names)[len(net.names) // 2]}:
            want = [oracle.paths(graph, top, unit)[source] for unit in positions(net[top].shape)]
            for exact in (True, False):
                found = eg.influence(net, source, top, exact, channels="count")
                assert found.values.ravel().tolist() == want
                assert found.channels == "count"


@EVERY
def test_influence_of_views(name):
    net, graph = known(name)
    for of in [x for x in net.names if net[x].view is not None]:
        source = tuple(n // 3 for n in net[of].shape)
        found = eg.influence(net, source, of=of, channels="count")
        for unit in positions(net.output.shape):
            want = oracle.paths(graph, net.output.name, unit, of)[source]
            assert found.values[unit] == want


@EVERY
def test_enumerating_paths_one_by_one_agrees(name):
    net, graph = known(name)
    unit = tuple(n // 2 for n in net.output.shape)
    values = eg.importance(net, channels="count").values
    if values.sum() <= 3000:
        assert same(values, oracle.enumerated(graph, net.output.name, unit))


def test_most_networks_are_small_enough_to_enumerate():
    totals = [eg.importance(known(name)[0], channels="count").total for name in NETWORKS]
    assert sum(total <= 3000 for total in totals) > len(NETWORKS) / 2


@EVERY
def test_the_gradient_of_unit_weights_is_the_path_count(name, torch_oracle):  # noqa: F811
    net, _ = known(name)
    try:
        for unit in some_units(net.output.shape):
            found = torch_oracle.channel_gradient(net, unit)
            assert same(eg.importance(net, unit=unit, channels="count").values, found)
    except torch_oracle.NotInTorchError:
        assert name in NO_TORCH
    else:
        assert name not in NO_TORCH


@EVERY
def test_one_channel_everywhere_is_the_collapsed_count(name):
    net, graph = known(name)
    if set(graph.channels) == {1} and all(m.view is None for m in net.names.values()):
        found = eg.importance(net, channels="count")
        assert same(found.values, eg.importance(net).values)
        assert found != eg.importance(net)  # another question


@patient
@given(channel_networks(), st.data())
def test_random_networks(net, data):
    graph = oracle.channel_graph(net)
    top = data.draw(st.sampled_from([net.output.name, *net.names]))
    unit = tuple(data.draw(st.integers(0, n - 1)) for n in net[top].shape)
    of = data.draw(st.sampled_from(["input", *net.names]))
    want = oracle.paths(graph, top, unit, of)
    imp = eg.importance(net, top, unit, of=of, channels="count")
    assert same(imp.values, want)
    rounded = eg.importance(net, top, unit, exact=False, of=of, channels="count")
    assert np.allclose(rounded.values, want.astype(float), rtol=1e-12)
    source = tuple(data.draw(st.integers(0, n - 1)) for n in net[of].shape)
    if net[of].index <= net[top].index:
        onwards = eg.influence(net, source, top, of=of, channels="count")
        assert onwards.values[unit] == want[source]


# --- closed forms -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 8, 40])
def test_a_dense_chain_is_the_collapsed_count_times_its_channels(n):
    net = Network(2 * n + 1, channels=3)
    x, product = net.input, 3
    for i in range(n):
        x = net.conv(x, 3, channels=5 + i)
        product *= 5 + i
    imp = eg.importance(net, channels="count")
    assert same(imp.values, np.array(box_power(3, n), dtype=object) * product)
    assert imp.total == 3**n * product
    assert same(imp.values, eg.importance(net).values.astype(object) * product)


@pytest.mark.parametrize("n", [1, 8, 40])
def test_a_depthwise_chain_is_the_collapsed_count_times_the_channels(n):
    net = Network(2 * n + 1, channels=6)
    x = net.input
    for _ in range(n):
        x = net.conv(x, 3, groups=6)
    imp = eg.importance(net, channels="count")
    assert same(imp.values, np.array(box_power(3, n), dtype=object) * 6)


def test_groups_of_a_chain_share_the_paths():
    net = Network(9, channels=8)
    net.conv(net.conv(net.input, 3, groups=2), 3, groups=4)  # 8 channels, 2 and 4 read
    assert eg.importance(net, channels="count").total == 8 * (2 * 3) * (4 * 3)
    shuffled = Network(9, channels=8)
    x = shuffled.channel_shuffle(shuffled.conv(shuffled.input, 3, groups=2), 2)
    shuffled.conv(x, 3, groups=4)
    assert eg.importance(shuffled, channels="count").total == 8 * (2 * 3) * (4 * 3)


def test_without_a_shuffle_groups_never_meet():
    """What ShuffleNet is about: a channel of the output sees one group of the input."""
    for shuffle, seen in ((False, 3), (True, 9)):
        net = Network(1, channels=9)
        x = net.conv(net.input, 1, groups=3)
        x = net.channel_shuffle(x, 3) if shuffle else x
        first = net.channel_slice(net.conv(x, 1, groups=3), stop=1)
        reached = [
            c
            for c in range(9)
            if eg.importance(
                net, first, of=net.channel_slice("input", c, c + 1), channels="count"
            ).total
        ]
        assert len(reached) == seen


def test_pixel_shuffle_there_and_back_is_nothing():
    net = NETWORKS["pixel_there_and_back"]()
    assert eg.importance(net, unit=(1, 2), channels="count").values[1, 2] == 1
    assert eg.importance(net, unit=(1, 2), channels="count").total == 1
    assert eg.importance(net, unit=(1, 2)).total == 4  # channels collapsed


# --- classes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *[("resnet18", 1), ("vgg11", 1), ("densenet121", 1), ("mobilenet_v2", 1)],
        *[("res2net", 4), ("shufflenet", 3), ("shufflenet_v2_x1_0", 8)],
    ],
)
def test_classes_are_few(name, most):
    net = NETWORKS[name]() if name in NETWORKS else eg.load(name)
    assert max(c.number for c in classes_of(net).values()) == most


@EVERY
def test_channels_of_one_class_hold_the_same(name):
    net, graph = known(name)
    unit = tuple(n // 2 for n in net.output.shape)
    counts = oracle.counts_to(graph, net.output.name, unit)
    for index, classes in classes_of(net, unit=unit).items():
        held = [
            [counts[index, at, c] for at in positions(graph.shapes[index])]
            for c in range(graph.channels[index])
        ]
        for c, label in enumerate(classes.labels.tolist()):
            alike = held[classes.first[label]] if label >= 0 else [0] * len(held[c])
            assert held[c] == alike


@pytest.mark.parametrize("few", [0, channel_classes.FEW, 10**6])
def test_maps_of_many_classes(few, monkeypatch):
    """Channels each of its own: entries one by one, and as a sparse matrix."""
    monkeypatch.setattr(channel_classes, "FEW", few)
    net = Network(6, channels=4)
    x = net.conv(net.input, 3, padding=1, channels=48)
    cuts = [net.channel_slice(x, i, 48 - i) for i in range(1, 6)]
    parts = [net.conv(cut, 3, padding=1, channels=2 * i) for i, cut in enumerate(cuts, start=1)]
    y = net.conv(net.concat(x, *parts), 1, groups=6, channels=48)
    y = net.multiply(y, net.channel_take(x, [(7 * i) % 48 for i in range(48)]))
    y = net.conv(net.pixel_unshuffle(y, 2), 1, groups=96)
    net.channel_take(y, [c for c in range(24) for _ in range(c)])  # number c counts c times
    graph = oracle.channel_graph(net)
    for exact in (True, False):
        imp = eg.importance(net, exact=exact, channels="count")
        assert same(imp.values, oracle.paths(graph, net.output.name, (1,)))
    assert max(c.number for c in classes_of(net).values()) > 8


def test_limbs_and_booleans_of_many_classes(monkeypatch):
    net = many_limbs()
    want = eg.importance(net, channels="count")
    graph = oracle.channel_graph(net)
    assert want.total > 2**130
    assert same(want.values, oracle.paths(graph, net.output.name, (2,)))
    rounded = eg.importance(net, exact=False, channels="count")
    monkeypatch.setattr(paths, "float_scale", lambda bound: 512 if bound > 2**60 else 0)
    monkeypatch.setattr(channel_classes, "FEW", 0)
    net.plans.clear()
    assert same(eg.importance(net, channels="count").values, want.values)
    scaled = eg.importance(net, exact=False, channels="count")
    assert scaled.log10_scale > 0
    assert np.array_equal(scaled.trf.mask, want.trf.mask)
    assert np.allclose(scaled.share, rounded.share, rtol=1e-12)


def many_limbs():
    net = Network(5, channels=6)
    x = net.input
    for i in range(30):
        half = net.channel_slice(x, stop=3)
        y = net.conv(net.channel_slice(x, 3), 3, padding=1)
        x = net.channel_shuffle(net.concat(half, y), (2, 3)[i % 2])
        x = net.add(x, net.conv(x, 3, padding=1, groups=2))
    return net


def test_wide_counts_equal_int64_where_both_apply(monkeypatch):
    small = {name: eg.importance(known(name)[0], channels="count").values for name in NETWORKS}
    monkeypatch.setattr(paths, "LARGEST_INT64", 0)  # limbs everywhere
    for name, values in small.items():
        assert same(eg.importance(known(name)[0], channels="count").values, values)


def weighted_paths(net, unit):
    """Path counts where every class is one: units' reads, times the channels that they join."""
    naive = naive_graph(net)
    factor = {
        m.index: m.channels // m.params.get("groups", 1) if m.op == "conv" else 1 for m in net.maps
    }
    counts = Counter({(net.output.index, unit): 1})
    for index in range(net.output.index, 0, -1):
        for node in [node for node in counts if node[0] == index]:
            for source, times in naive.reads[node].items():
                counts[source] += times * counts[node] * factor[index]
    return as_array(net.input.shape, {u[1]: c for u, c in counts.items() if u[0] == 0})


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_real_networks_are_exact(name):
    net = eg.load(name, input_shape=(40, 32))
    imp = eg.importance(net, channels="count")
    assert imp.total > 2**130
    unit = tuple(n // 2 for n in net.output.shape)
    assert same(imp.values, weighted_paths(net, unit) * net.input.channels)
    rounded = eg.importance(net, exact=False, channels="count")
    assert np.allclose(rounded.share, imp.share, rtol=1e-12)


REAL = ("shufflenet_v2_x0_5", "densenet121", "mobilenet_v2", "mobilenet_v3_small")


@pytest.mark.parametrize("name", REAL)
def test_real_networks_against_autograd(name, torch_oracle):  # noqa: F811
    net = eg.load(name, input_shape=(32, 32))
    imp = eg.importance(net, channels="count")
    unit = tuple(n // 2 for n in net.output.shape)
    found = torch_oracle.channel_gradient(net, unit)
    assert imp.total > 2**63
    assert np.allclose(found, imp.values.astype(float), rtol=1e-12)


def test_figures_and_numbers_say_what_is_counted():
    net = known("shufflenet")[0]
    imp = eg.importance(net, channels="count")
    assert wording.where(imp) == f"unit (2, 1) of {imp.layer}; measure: channel paths"
    assert wording.where(eg.importance(net)).endswith("measure: paths")
    assert "channel paths at (y, x)" in wording.trf_line(imp)
    assert imp.to_dict()["channels"] == "count"
    first, second = (
        figures.compare_figure([imp, eg.importance(net)]),
        figures.importance_figure(imp),
    )
    for drawn in (first, second):
        texts = [text.get_text() for text in drawn.findobj(Text)]
        assert any("channel paths" in text for text in texts)


# --- what is refused ----------------------------------------------------------------------


def test_what_does_not_go_with_channels():
    net = eg.load("conv3*2")
    with pytest.raises(
        eg.NameLookupError, match=r"^unknown channels 'all'; known: collapse, count$"
    ):
        eg.importance(net, channels="all")
    for ask in (eg.importance, eg.importances):
        with pytest.raises(eg.InputError, match="'count' goes with measure 'paths', got measure"):
            ask(net, measure="edges", channels="count")
    with pytest.raises(eg.InputError, match="wants a Network, got an explicit Graph"):
        eg.importance(eg.graph(net), channels="count")
    with pytest.raises(eg.NameLookupError, match=r"^unknown channels '1'"):
        eg.influence(net, channels=1)


@pytest.mark.parametrize(
    ("channels", "shape", "problem"),
    [
        (1 << 22, 9, "the channels of this sweep"),
        (2, 10**6, "this sweep"),
    ],
)
def test_memory_is_asked_for_first(channels, shape, problem, monkeypatch):
    net = Network(shape, channels=channels)
    net.attention(net.conv(net.input, 1))
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "free_memory", lambda: 1 << 23)
    with pytest.raises(eg.SizeError, match=f"^{problem} would need"):
        eg.importance(net, channels="count")


def test_memory_of_a_mixing(monkeypatch):
    every = Classes(np.arange(300), np.arange(300))
    monkeypatch.setattr(memory, "SMALL", 0)
    monkeypatch.setattr(memory, "free_memory", lambda: 24 * 300 * 300 - 1)
    with pytest.raises(eg.SizeError, match=r"^the classes of this sweep's channels would need"):
        mixing(dense(300, 300), every, every)
    monkeypatch.setattr(memory, "free_memory", lambda: 24 * 300 * 300)
    found = mixing(dense(300, 300), every, every)
    assert (found.collects, found.hands, len(found.times)) == (300, 300, 300 * 300)


def test_a_question_about_channels_does_not_change_others():
    net, _ = known("shufflenet")
    before = eg.importance(net)
    counted = eg.importance(net, channels="count")
    assert eg.importance(net) == before != counted
    assert eg.importance(net, channels="count") == counted


# --- the checks can fail ------------------------------------------------------------------


def test_a_wrong_mix_is_noticed(monkeypatch):
    """A convolution that forgets its groups no longer agrees with the oracle."""
    graph = known("conv_depthwise")[1]
    monkeypatch.setattr("erfgraph.channels.dense", lambda a, b, groups=1: Mix(range(a), range(b)))
    net = NETWORKS["conv_depthwise"]()
    want = oracle.paths(graph, net.output.name, (2,))
    assert not same(eg.importance(net, channels="count").values, want)


def test_a_wrong_order_of_channels_is_noticed(monkeypatch):
    graph = known("shufflenet")[1]
    monkeypatch.setattr("erfgraph.channels.shuffled", lambda n, groups: tuple(range(n)))
    net = NETWORKS["shufflenet"]()
    want = oracle.paths(graph, net.output.name, (2, 1))
    assert not same(eg.importance(net, unit=(2, 1), channels="count").values, want)


def test_classes_too_coarse_are_noticed(monkeypatch):
    """If groups that hold different classes are taken for equal, counts are wrong."""
    monkeypatch.setattr(
        channel_classes,
        "_what_groups_hold",
        lambda mix, labels: np.zeros(mix.groups, dtype=np.int64),
    )
    net = NETWORKS["shufflenet"]()
    want = oracle.paths(known("shufflenet")[1], net.output.name, (2, 1))
    assert not same(eg.importance(net, unit=(2, 1), channels="count").values, want)
