"""Axis maps against dense matrices written by plain loops; the adjoint test of every layer."""

from __future__ import annotations

import inspect
import itertools
import math
from collections import Counter

import numpy as np
import pytest
from draws import patient
from hypothesis import given
from hypothesis import strategies as st
from oracles import naive_graph, positions
from registry import NETWORKS

from erfgraph import axes, layers
from erfgraph.axes import Dense, Run, Sparse, Taps
from erfgraph.network import LAYER_METHODS, Network
from erfgraph.number_types import Numbers
from erfgraph.plan import compile_plan
from erfgraph.running import run
from erfgraph.view import Strand, View


def of(made):
    """The only axis map of a layer on one axis."""
    return made[1][0][0]


AXES = {
    "identity": axes.identity(5),
    "identity_one": axes.identity(1),
    "conv": axes.strided_taps(7, 7, (0, 1, 2), 1, 1, 1),
    "conv_strided": axes.strided_taps(9, 4, (0, 1, 2), 2, 0, 1),
    "conv_stride_over_kernel": axes.strided_taps(10, 3, (0, 1), 4, 1, 1),
    "conv_dilated": axes.strided_taps(9, 9, (0, 1, 2, 3), 1, 4, 3),
    "conv_masked": axes.strided_taps(6, 6, (0, 3), 1, 2, 1),
    "conv_only_padding": axes.strided_taps(3, 9, (0,), 1, 4, 1),
    "conv_all_outside": axes.strided_taps(2, 3, (0,), 5, 40, 1),
    "transposed": axes.transposed_taps(4, 9, (0, 1, 2), 2, 0, 1),
    "transposed_gaps": axes.transposed_taps(4, 10, (0, 1), 3, 1, 1),
    "transposed_dilated": axes.transposed_taps(5, 13, (0, 1, 2), 2, 1, 3),
    "reflect": of(layers.conv((6,), 5, 1, 3, 1, "reflect")),
    "reflect_strided": of(layers.conv((6,), 3, 2, 5, 2, "reflect")),
    "replicate": of(layers.conv((4,), 5, 1, 4, 1, "replicate")),
    "replicate_one": of(layers.conv((1,), 3, 1, 1, 1, "replicate")),
    "circular": of(layers.conv((4,), 7, 1, 4, 1, "circular")),
    "symmetric": of(layers.pad((4,), 4, "symmetric")),
    "slice_reversed": of(layers.slice_((9,), None, None, -2)),
    "slice_reversed_one": of(layers.slice_((9,), 8, 7, -1)),
    "roll": of(layers.roll((7,), 3)),
    "crop": of(layers.crop((7,), ((2, 1),))),
    "up_nearest": of(layers.upsample((4,), 3)),
    "up_nearest_fraction": of(layers.upsample((5,), 1.6)),
    "up_linear": of(layers.upsample((5,), 2, "linear")),
    "up_cubic": of(layers.upsample((4,), 2.5, "cubic")),
    "adaptive": of(layers.adaptive_pool((7,), 4)),
    "adaptive_up": of(layers.adaptive_pool((3,), 8)),
    "windows": of(layers.attention((7,), 3, 1)),
    "sparse_repeated": axes.from_pairs(3, 2, np.array([1, 0, 1, 1]), np.array([2, 0, 2, 1])),
    "sparse_empty": axes.from_pairs(3, 2, np.zeros(0, np.int64), np.zeros(0, np.int64)),
    "dense": Dense(4, 3),
}
AXES |= {f"{name}_transposed": axes.transpose(axis) for name, axis in AXES.items()}


def dense(axis):
    """The matrix of multiplicities by plain loops over the axis map's own fields."""
    found = np.zeros((axis.n_out, axis.n_in), dtype=np.int64)
    if isinstance(axis, Dense):
        found[:] = 1
    elif isinstance(axis, Sparse):
        for out, src, times in zip(axis.outs, axis.srcs, axis.counts, strict=True):
            found[out, src] += times
    else:
        for run in axis.runs:
            for j in range(run.length):
                out, src = run.out + j * run.out_step, run.src + j * run.src_step
                assert 0 <= out < axis.n_out
                if 0 <= src < axis.n_in:
                    found[out, src] += 1
    return found


def windows(n):
    return [(lo, hi) for lo in range(n) for hi in range(lo, n + 1)]


def check_axis(axis):
    """Every verb against the dense matrix."""
    want = dense(axis)
    assert np.array_equal(axes.matrix(axis).toarray(), want)
    assert np.array_equal(dense(axes.transpose(axis)), want.T)
    assert np.array_equal(axes.matrix(axes.transpose(axes.transpose(axis))).toarray(), want)
    assert np.array_equal(dense(axes.once(axis)), want > 0)
    assert axes.row_sums(axis).tolist() == want.sum(axis=1).tolist()
    assert axes.largest_sums(axis) == (want.sum(axis=1).max(), want.sum(axis=0).max())
    assert axes.edge_count(axis) == np.count_nonzero(want)
    outs, srcs, counts = axes.triplets(axis)
    assert list(zip(outs, srcs, strict=True)) == list(zip(*want.nonzero(), strict=True))
    assert counts.tolist() == want[want > 0].tolist()
    for lo, hi in windows(axis.n_out):
        read = np.flatnonzero(want[lo:hi].any(axis=0))
        assert axes.hull(axis, (lo, hi)) == ((read[0], read[-1] + 1) if read.size else None)


@pytest.mark.parametrize("name", AXES)
def test_verbs_equal_dense_loops(name):
    check_axis(AXES[name])


@st.composite
def taps(draw):
    """Any union of progressions, of any direction, partly outside the input."""
    n_in, n_out = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    runs = []
    for _ in range(draw(st.integers(0, 4))):
        step = draw(st.sampled_from([1, 2, 3, -1, -2]))
        out = draw(st.integers(0, n_out - 1))
        room = (n_out - 1 - out) // step if step > 0 else out // -step
        length = draw(st.integers(1, room + 1))
        src_step = draw(st.sampled_from([1, 2, 3, -1, -2, -3]))
        runs.append(Run(out, step, draw(st.integers(-5, n_in + 4)), src_step, length))
    return Taps(n_in, n_out, tuple(runs))


@patient
@given(taps())
def test_verbs_equal_dense_loops_for_any_taps(axis):
    check_axis(axis)


@patient
@given(taps(), st.data())
def test_clip_keeps_what_lies_in_both_windows(axis, data):
    out = data.draw(st.sampled_from(windows(axis.n_out)))
    src = data.draw(st.sampled_from(windows(axis.n_in)))
    found = dense(Taps(axis.n_in, axis.n_out, tuple(axes.clip(axis, out, src))))
    want = np.zeros_like(found)
    block = slice(*out), slice(*src)
    want[block] = dense(axis)[block]
    assert np.array_equal(found, want)


@patient
@given(taps(), st.data())
def test_reach_is_the_hull_and_whether_a_tap_falls_outside(axis, data):
    lo, hi = data.draw(st.sampled_from(windows(axis.n_out)))
    outside = any(
        lo <= r.out + j * r.out_step < hi and not 0 <= r.src + j * r.src_step < axis.n_in
        for r in axis.runs
        for j in range(r.length)
    )
    assert axes.reach(axis, (lo, hi)) == (axes.hull(axis, (lo, hi)), outside)


def swept(terms, values, window):
    """``Hᵀ values`` by the engine: from a window of the output to all that it reads."""
    shapes = tuple(a.n_in for a in terms[0]), tuple(a.n_out for a in terms[0])
    seen = View(shapes, {1: (Strand(0, terms),), 0: ()}, (1, 0))
    plan = compile_plan(seen, 1, window)
    return run(plan, Numbers(values.dtype), [0], seed=values, once=True)[0]


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("dtype", [np.int64, np.float64, bool])
def test_adjoint_of_windows_equals_the_dense_product(name, dtype):
    axis = AXES[name]
    want = dense(axis)
    rng = np.random.default_rng(0)
    for out in windows(axis.n_out):
        src = axes.hull(axis, out)
        if src is None:
            continue
        values = rng.integers(0, 9, (1, 3, out[1] - out[0])).astype(dtype)
        expected = values.astype(int) @ want[slice(*out), slice(*src)]
        into = swept(((axes.identity(3), axis),), values, ((0, 3), out))
        assert np.array_equal(into, expected.astype(dtype))


# --- every layer of the registry ----------------------------------------------------------


def adjoint(terms, y, shape):
    """``Hᵀ y`` by the engine on the whole map."""
    whole = tuple((0, n) for n in y.shape)
    total = np.zeros(shape, dtype=np.int64)
    reach = [axes.hull(a, w) for term in terms for a, w in zip(term, whole, strict=True)]
    if None in reach and len(terms) == 1:
        return total
    windows = [[r for r in reach[i :: len(whole)] if r is not None] for i in range(len(whole))]
    place = tuple(slice(min(lo for lo, _ in w), max(hi for _, hi in w)) for w in windows)
    total[place] = swept(terms, y[None], whole)[0]
    return total


def layer_adjoint(net, m, y):
    """``Hᵀ y`` of a whole layer, per map that it reads."""
    found = {}
    for link in m.links:
        part = adjoint(link.terms, y, net.maps[link.src].shape)
        found[link.src] = found.get(link.src, 0) + part
    return found


def forwards(naive, m, xs):
    """``H x`` of a layer by the oracle's reads: one number per output unit."""
    return np.array(
        [
            sum(times * int(xs[src][at]) for (src, at), times in naive.reads[m.index, v].items())
            for v in positions(m.shape)
        ]
    ).reshape(m.shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_adjoint_of_every_layer_is_exact(name):
    net = NETWORKS[name]()
    naive = naive_graph(net)
    rng = np.random.default_rng(1)
    for m in net.maps[1:]:
        y = rng.integers(-(10**6), 10**6, m.shape)
        sources = {link.src: net.maps[link.src].shape for link in m.links}
        xs = {src: rng.integers(-(10**6), 10**6, shape) for src, shape in sources.items()}
        left = int((forwards(naive, m, xs) * y).sum())
        found = layer_adjoint(net, m, y)
        assert left == sum(int((xs[src] * found[src]).sum()) for src in xs)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_equals_its_naive_reads(name):
    net = NETWORKS[name]()
    naive = naive_graph(net)
    for m in net.maps[1:]:
        found = Counter()
        for link in m.links:
            source = net.maps[link.src]
            for term in link.terms:
                tables = [dense(axis) for axis in term]
                for pairs in itertools.product(*[np.argwhere(t).tolist() for t in tables]):
                    v, u = zip(*pairs, strict=True)
                    times = [int(t[i, j]) for t, (i, j) in zip(tables, pairs, strict=True)]
                    found[v, (source.index, u)] += math.prod(times)
        want = {
            (v, source): times
            for v in positions(m.shape)
            for source, times in naive.reads[m.index, v].items()
        }
        assert found == want


def test_the_adjoint_check_can_fail():
    net = NETWORKS["conv_reflect"]()
    naive = naive_graph(net)
    m = net.maps[1]
    y = np.ones(m.shape, dtype=np.int64)
    xs = {0: np.ones(net.input.shape, dtype=np.int64)}
    found = layer_adjoint(net, m, y)[0]
    left = forwards(naive, m, xs).sum()
    assert left == found.sum()
    found[0, 0] += 1
    assert left != found.sum()


def test_registry_covers_every_layer_method():
    made = [make() for make in NETWORKS.values()]
    assert {layer.op for net in made for layer in net.layers} == set(LAYER_METHODS)
    assert {len(net.input.shape) for net in made} == {1, 2, 3}
    used = {(layer.op, key) for net in made for layer in net.layers for key in layer.params}
    skipped = {"self", "name", "x", "xs", "factor"}
    for method in LAYER_METHODS:
        for key in inspect.signature(getattr(Network, method)).parameters:
            # transposed convolutions have one padding mode, zeros
            if key not in skipped and (method, key) != ("conv_transpose", "padding_mode"):
                assert (method, key) in used, (method, key)
