"""Every engine on every network of the registry: sweep = enumeration = networkx = gradient."""

from __future__ import annotations

from functools import cache

import networkx as nx
import numpy as np
import oracles
import pytest
from draws import networks, patient, units
from hypothesis import given
from hypothesis import strategies as st
from registry import NETWORKS

import erfgraph as eg

EVERY = pytest.mark.parametrize("name", NETWORKS)
MEASURES = {"paths": oracles.paths, "edges": oracles.edges}


@cache
def known(name):
    """The network, its naive graph and that as a networkx graph."""
    net = NETWORKS[name]()
    naive = oracles.naive_graph(net)
    return net, naive, naive.digraph()


def some_units(shape):
    """Corners, centre, and one in between."""
    last = tuple(n - 1 for n in shape)
    between = tuple(n // 3 for n in shape)
    return sorted({(0,) * len(shape), tuple(n // 2 for n in shape), last, between})


def want_of(name, measure, target, of=0):
    _, naive, graph = known(name)
    if measure == "paths":
        return oracles.paths(naive, target, of)
    return oracles.edges(naive, target, of, graph)


def same(found, want):
    """Equal shape and equal integers."""
    return found.shape == want.shape and bool((found == want).all())


@EVERY
@pytest.mark.parametrize("measure", MEASURES)
def test_importance_is_the_oracles(name, measure):
    net, _, _ = known(name)
    for unit in some_units(net.output.shape):
        want = want_of(name, measure, (net.output.index, unit))
        imp = eg.importance(net, unit=unit, measure=measure)
        assert imp.values.dtype == np.int64
        assert same(imp.values, want)
        assert imp.total == want.sum()
        assert imp.peak.value == want.max()
        assert imp.peak.position == np.unravel_index(np.argmax(want), want.shape)
        assert np.array_equal(imp.trf.mask, want > 0)
        rounded = eg.importance(net, unit=unit, measure=measure, exact=False)
        assert rounded.values.dtype == np.float64
        assert rounded.log10_scale == 0
        assert same(rounded.values, want)  # small integers are exact in float64


@EVERY
@pytest.mark.parametrize("measure", MEASURES)
def test_importance_of_every_map_for_every_map(name, measure):
    net, _, _ = known(name)
    for top in net.maps:
        unit = tuple(n // 2 for n in top.shape)
        for rated in net.maps:
            want = want_of(name, measure, (top.index, unit), rated.index)
            imp = eg.importance(net, top, unit, measure, of=rated)
            assert same(imp.values, want), (top.name, rated.name)


@EVERY
@pytest.mark.parametrize("measure", MEASURES)
def test_importances_are_one_sweep_of_all(name, measure):
    net, _, _ = known(name)
    unit = tuple(n - 1 for n in net.output.shape)
    found = eg.importances(net, unit=unit, measure=measure)
    assert list(found) == [m.name for m in net.maps if m.name in found]
    for rated in net.maps:
        want = want_of(name, measure, (net.output.index, unit), rated.index)
        if rated.name in found:
            assert same(found[rated.name].values, want)
        else:
            assert not want.any()


@EVERY
def test_influence_is_importance_seen_from_the_other_end(name):
    net, naive, _ = known(name)
    top = net.output
    backward = {
        unit: eg.importance(net, unit=unit).values for unit in oracles.positions(top.shape)
    }
    for source in some_units(net.input.shape):
        values = eg.influence(net, source).values
        assert values.shape == top.shape
        assert all(values[unit] == imp[source] for unit, imp in backward.items())
        want = [oracles.counts_to(naive, (top.index, unit))[0, source] for unit in backward]
        assert values.ravel().tolist() == want
        assert same(eg.influence(net, source, exact=False).values, values)


@EVERY
def test_enumerating_paths_one_by_one_agrees(name):
    net, naive, _ = known(name)
    unit = tuple(n // 2 for n in net.output.shape)
    want = oracles.enumerated_paths(naive, (net.output.index, unit))
    assert same(eg.importance(net).values, want)


@EVERY
def test_networkx_enumerates_the_same_paths(name):
    net, naive, _ = known(name)
    target = net.output.index, tuple(n // 2 for n in net.output.shape)
    many = naive.multigraph()
    inner = many.subgraph(nx.ancestors(many, target) | {target})
    values = eg.importance(net).values
    for at in some_units(net.input.shape):
        if values[at] <= 500 and target[0]:
            found = list(nx.all_simple_paths(inner, (0, at), target)) if (0, at) in inner else []
            assert len(found) == values[at]


@pytest.fixture(scope="module")
def torch_oracle():
    pytest.importorskip("torch")
    import torch_oracle

    return torch_oracle


NO_TORCH = {  # no operation in PyTorch with weights one
    *["pool_adaptive", "pool_adaptive_up", "gate_per_row", "swin"],
    *["attention_shifted", "attention_dilated", "attention_dilated_1d"],
    *["up_linear", "up_linear_aligned", "up_linear_down", "up_cubic", "up_cubic_aligned"],
    *["up_nearest_ceil", "up_nearest_half_down", "up_linear_asymmetric"],
    *["up_linear_symmetric", "up_cubic_symmetric"],
    *["up_3d", "unet", "tconv_same", "tconv_valid", "pad_symmetric"],
}


@EVERY
def test_the_gradient_of_unit_weights_is_the_path_count(name, torch_oracle):
    net, _, _ = known(name)
    try:
        for unit in some_units(net.output.shape):
            found = torch_oracle.gradient(net, net.output.index, unit)
            assert same(eg.importance(net, unit=unit).values, found)
    except torch_oracle.NotInTorchError:
        assert name in NO_TORCH
    else:
        assert name not in NO_TORCH


# --- random networks ----------------------------------------------------------------------


@patient
@given(networks(), st.data())
def test_random_networks(net, data):
    naive = oracles.naive_graph(net)
    top, unit = data.draw(units(net))
    rated = data.draw(st.sampled_from(net.maps[: top.index + 1]))
    want = oracles.paths(naive, (top.index, unit), rated.index)
    imp = eg.importance(net, top, unit, of=rated)
    assert same(imp.values, want)
    assert same(eg.importance(net, top, unit, exact=False, of=rated).values, want)
    on_paths = eg.importance(net, top, unit, "edges", of=rated)
    assert same(on_paths.values, oracles.edges(naive, (top.index, unit), rated.index))
    source = tuple(data.draw(st.integers(0, n - 1)) for n in rated.shape)
    onwards = eg.influence(net, source, top, of=rated)
    assert onwards.values[unit] == imp.values[source]
    assert onwards.total == sum(
        oracles.counts_to(naive, (top.index, at))[rated.index, source]
        for at in oracles.positions(top.shape)
    )


# --- the checks can fail ------------------------------------------------------------------


def test_one_count_too_many_is_noticed():
    want = want_of("residual", "paths", (known("residual")[0].output.index, (5,)))
    values = eg.importance(known("residual")[0]).values
    assert same(values, want)
    want[3] += 1
    assert not same(values, want)


def test_oracles_agree_with_figures_by_hand():
    # x + x read by x + x + x, then three taps: 6 paths each, on 2 + 1 merged edges and a tap
    _, naive, _ = known("add_same")
    last = len(naive.shapes) - 1
    assert oracles.paths(naive, (last, (1,))).tolist() == [0, 6, 12, 18, 12, 6, 0]
    net = eg.load("conv3*2")
    naive = oracles.naive_graph(net)
    assert oracles.edges(naive, (2, (0,))).tolist() == [2, 4, 6, 4, 2]


def test_a_wrong_rule_is_noticed(monkeypatch):
    """An oracle that forgets what reflection reads no longer agrees."""
    monkeypatch.setattr(oracles, "mapped", lambda p, n, mode: p if 0 <= p < n else None)
    net = NETWORKS["conv_reflect"]()
    wrong = oracles.paths(oracles.naive_graph(net), (net.output.index, (0, 0)))
    assert not same(eg.importance(net, unit=(0, 0)).values, wrong)
